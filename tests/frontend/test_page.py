"""The page in a real browser over both real servers: from a file to a saved result."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.frontend.conftest import QUICK, SLOW, Counter, picture_bytes
from tests.frontend.house import House
from tests.frontend.person import LONG, choose_model, give, opened, start, value

pytestmark = pytest.mark.browser


@pytest.fixture
def page(context: BrowserContext, house: House) -> Iterator[Page]:
    yield from opened(context, house)


def test_from_a_file_to_a_saved_result(page: Page, house: House, tmp_path: Path) -> None:
    give(page, picture_bytes(100, 60, seed=50), name="my photo.jpeg")
    expect(page.get_by_text("100\u2009×\u200960 → 400\u2009×\u2009240")).to_be_visible()
    expect(page.get_by_role("radio", name=re.compile("Fast"))).to_be_checked()
    start(page)

    link = page.get_by_role("link", name=re.compile("Download"))
    expect(link).to_be_visible(timeout=LONG)
    expect(page.get_by_text(f"{QUICK}, version 1")).to_be_visible()
    expect(page.get_by_text("partly invented")).to_be_visible()
    with page.expect_download() as saved:
        link.click()
    saved.value.save_as(tmp_path / "saved")
    assert saved.value.suggested_filename == "my photo_x4.png"
    url = link.get_attribute("href")
    assert url
    assert (tmp_path / "saved").read_bytes() == httpx.get(house.url + url, trust_env=False).content


def test_progress_by_tile_and_the_time_left(page: Page) -> None:
    give(page, picture_bytes(256, 256, seed=51))
    choose_model(page, SLOW)
    start(page)

    bar = page.get_by_role("progressbar")
    expect(page.get_by_text(re.compile(r"^Tile [1-9]\d* of 64$"))).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile("about .* left"))).to_be_visible(timeout=LONG)
    first = int(bar.get_attribute("aria-valuenow") or 0)
    expect(bar).not_to_have_attribute("aria-valuenow", str(first), timeout=LONG)
    assert int(bar.get_attribute("aria-valuenow") or 0) > first


def test_cancel_stops_the_work_on_the_server(page: Page, tiles_served: Counter) -> None:
    give(page, picture_bytes(512, 512, seed=52))
    choose_model(page, SLOW)
    start(page)
    expect(page.get_by_text(re.compile(r"^Tile [1-9]\d* of 256$"))).to_be_visible(timeout=LONG)

    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("button", name="Enlarge ×4")).to_be_focused()
    time.sleep(1.5)  # the tiles under way come to their end
    stopped = tiles_served(SLOW)
    time.sleep(1.5)
    assert tiles_served(SLOW) == stopped


def test_by_keyboard_alone(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        for _ in range(10):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Choose a picture":
                break
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": picture_bytes(40, 30, seed=59)})
    expect(page.get_by_role("button", name="Enlarge ×4")).to_be_focused()
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.name") == "scale":
            break
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("80\u2009×\u200960")).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Enlarge ×2":
            break
    page.keyboard.press("Enter")
    download = page.get_by_role("link", name=re.compile("Download"))
    expect(download).to_be_focused(timeout=LONG)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # 100%
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("slider")).to_be_focused()
    page.keyboard.press("End")
    assert value(page) == 100


def test_dropped_and_pasted(page: Page) -> None:
    data = list(picture_bytes(24, 16, seed=60))
    transfer = page.evaluate_handle(
        "data => { const t = new DataTransfer();"
        " t.items.add(new File([new Uint8Array(data)], 'dropped.png', {type: 'image/png'})); return t }",
        data,
    )
    page.dispatch_event(".drop", "dragenter", {"dataTransfer": transfer})
    expect(page.get_by_text("Let go to open it")).to_be_visible()
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
    expect(page.get_by_text("dropped.png")).to_be_visible()
    expect(page.get_by_text("Let go to open it")).to_have_count(0)

    page.reload()
    page.evaluate(
        "data => { const t = new DataTransfer();"
        " t.items.add(new File([new Uint8Array(data)], 'pasted.png', {type: 'image/png'}));"
        " document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: t, bubbles: true})) }",
        data,
    )
    expect(page.get_by_text("pasted.png")).to_be_visible()


def test_a_tiff_is_shown_by_the_servers_help(page: Page) -> None:
    give(page, picture_bytes(60, 40, seed=61, format="TIFF"), name="scan.tif", kind="image/tiff")
    expect(page.get_by_text("60\u2009×\u200940 → 240\u2009×\u2009160")).to_be_visible()
    start(page)
    expect(page.get_by_role("slider")).to_be_visible(timeout=LONG)
    assert page.locator(".stage img.before").evaluate("image => image.naturalWidth") == 60


def test_the_sample_is_one_click_away(page: Page) -> None:
    page.get_by_role("button", name="Try this cat").click()
    expect(page.get_by_role("button", name="Enlarge ×4")).to_be_enabled()


def test_the_documentation_shows_every_route(page: Page, house: House) -> None:
    page.goto(f"{house.url}/docs")
    expect(page.get_by_text("Enlarge a picture")).to_be_visible()
    expect(page.locator(".opblock")).to_have_count(8)


def test_it_speaks_russian(browser: Browser, house: House) -> None:
    context = browser.new_context(locale="ru-RU")
    page = context.new_page()
    page.goto(house.url)
    expect(page.get_by_role("button", name="Выберите снимок")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "ru"
    page.get_by_role("button", name="English").click()
    page.reload()
    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
    context.close()


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (768, 1024), (1440, 900), (2560, 1300)])
def test_no_width_needs_scrolling_sideways(browser: Browser, house: House, width: int, height: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, locale="ru")
    page = context.new_page()
    page.goto(house.url)
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    expect(page.get_by_role("button", name="Выберите снимок")).to_be_visible()
    assert page.evaluate(sideways) == 0
    give(page, picture_bytes(30, 20, seed=62), name="a-very-long-name-without-any-space-" * 4 + ".png")
    page.get_by_role("button", name="Увеличить ×4").click()
    expect(page.get_by_role("slider")).to_be_visible(timeout=LONG)
    assert page.evaluate(sideways) == 0
    context.close()
