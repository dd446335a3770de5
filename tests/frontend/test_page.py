"""The page in a real browser over both real servers."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.frontend.conftest import QUICK, SLOW, Counter, picture_bytes
from tests.frontend.house import House, run_inference

pytestmark = pytest.mark.browser

LONG = 60_000  # ms


@pytest.fixture
def page(context: BrowserContext, house: House) -> Iterator[Page]:
    yield from opened(context, house)


def opened(context: BrowserContext, house: House) -> Iterator[Page]:
    """The page; at the end nothing may have gone wrong in the console that the test did not provoke."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(house.url)
    yield page
    assert [said for said in wrong if "Failed to load resource" not in said] == []


def give(page: Page, data: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    """Choose a file."""
    page.set_input_files("input[type=file]", {"name": name, "mimeType": kind, "buffer": data})


def start(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Enlarge ×")).click()


def enlarge(page: Page, seed: int, width: int = 100, height: int = 60) -> None:
    """All the way to the result."""
    give(page, picture_bytes(width, height, seed))
    start(page)
    expect(page.get_by_role("slider")).to_be_visible(timeout=LONG)


def value(page: Page) -> int:
    return int(page.get_by_role("slider").get_attribute("aria-valuenow") or -1)


def choose_model(page: Page, name: str) -> None:
    page.locator("label", has=page.locator(f"input[value={name}]")).click()


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


def test_the_slider_moves_by_mouse(page: Page) -> None:
    enlarge(page, seed=53)
    assert value(page) == 50
    box = page.locator(".stage").bounding_box()
    handle = page.get_by_role("slider").locator("span").bounding_box()
    assert box
    assert handle
    page.mouse.move(handle["x"] + 22, handle["y"] + 22)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, handle["y"], steps=4)
    page.mouse.up()
    assert 70 < value(page) < 90

    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    assert 20 < value(page) < 40


def test_the_slider_moves_by_keys(page: Page) -> None:
    enlarge(page, seed=53)
    slider = page.get_by_role("slider")
    slider.focus()
    for key, expected in [
        ("ArrowRight", 52),
        ("PageUp", 62),
        ("Shift+ArrowLeft", 52),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("End", 100),
    ]:
        page.keyboard.press(key)
        assert value(page) == expected
    expect(slider).to_have_attribute("aria-valuetext", "100% before")


def test_what_lies_left_of_the_border_is_before_and_right_of_it_after(page: Page) -> None:
    enlarge(page, seed=53)
    clips = {}
    for side in ("before", "after"):
        clips[side] = page.locator(f".stage img.{side}").evaluate("image => getComputedStyle(image).clipPath")
    assert re.fullmatch(r"inset\(0px 4\d\d(\.\d+)?px 0px 0px\)|inset\(0px \d+(\.\d+)?px 0px 0px\)", clips["before"])
    assert re.fullmatch(r"inset\(0px 0px 0px \d+(\.\d+)?px\)", clips["after"])
    assert page.locator(".stage img.after").evaluate("image => image.naturalWidth") == 400


def test_at_100_percent_a_pixel_is_a_pixel_and_the_picture_moves(page: Page) -> None:
    enlarge(page, seed=54, width=400, height=300)
    page.get_by_role("button", name="100%").click()
    image = page.locator(".stage img.after")
    before = image.bounding_box()
    assert before
    assert (round(before["width"]), round(before["height"])) == (1600, 1200)

    stage = page.locator(".stage").bounding_box()
    assert stage
    x, y = stage["x"] + 100, stage["y"] + 100
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=3)
    page.mouse.up()
    dragged = image.bounding_box()
    assert dragged
    assert (round(dragged["x"] - before["x"]), round(dragged["y"] - before["y"])) == (60, 40)
    assert value(page) == 50

    page.locator(".stage").focus()
    page.keyboard.press("ArrowRight")
    moved = image.bounding_box()
    assert moved
    assert moved["x"] < dragged["x"]
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    right = image.bounding_box()
    assert right
    assert round(right["x"] + right["width"]) == round(stage["x"] + stage["width"])  # never beyond its edge


@pytest.mark.parametrize("name", ["notes.png", "photo.jpg"])
def test_a_bad_file_is_told_in_words(page: Page, name: str) -> None:
    data = b"these are words" if name == "notes.png" else picture_bytes(64, 64, seed=55, format="JPEG")[:300]
    give(page, data, name=name)

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("not a picture that Loupe can read", timeout=LONG)
    expect(alert.get_by_role("button", name="Choose a picture")).to_be_focused()
    give(page, picture_bytes(20, 20, seed=56))
    expect(page.get_by_role("button", name="Enlarge ×4")).to_be_enabled()


def test_a_file_beyond_the_limit_is_told_before_it_is_sent(
    context: BrowserContext, another_house: Callable[..., House]
) -> None:
    for page in opened(context, another_house(limits__max_bytes=2_000_000)):
        expect(page.get_by_text("up to 1.9 MB")).to_be_visible()
        give(page, b"x" * 2_000_001)
        expect(page.get_by_role("alert")).to_contain_text("too large")


def test_an_inference_server_that_dies_half_way_is_told_and_tried_again(
    context: BrowserContext, another_house: Callable[..., House], models: Path, tmp_path: Path
) -> None:
    with run_inference(models, tmp_path / "inference") as dying:
        for page in opened(context, another_house(dying.url)):
            give(page, picture_bytes(512, 512, seed=57))
            choose_model(page, SLOW)
            start(page)
            expect(page.get_by_text(re.compile(r"^Tile [1-9]\d* of 256$"))).to_be_visible(timeout=LONG)
            dying.process.kill()
            dying.process.wait()
            alert = page.get_by_role("alert")
            expect(alert).to_contain_text("runs the models does not answer", timeout=LONG)
            with run_inference(models, tmp_path / "again", port=int(dying.url.rpartition(":")[2])):
                choose_model(page, QUICK)
                alert.get_by_role("button", name="Try again").click()
                expect(page.get_by_role("slider")).to_be_visible(timeout=LONG)


def test_models_that_load_are_waited_for(
    context: BrowserContext, another_house: Callable[..., House], models: Path, tmp_path: Path
) -> None:
    from tests.frontend.house import free_port

    port = free_port()
    for page in opened(context, another_house(f"http://127.0.0.1:{port}")):
        expect(page.get_by_role("status")).to_contain_text("still loading")
        give(page, picture_bytes(20, 20, seed=58))
        expect(page.get_by_role("button", name="Enlarge ×4")).to_be_disabled()
        with run_inference(models, tmp_path / "inference", port=port):
            expect(page.get_by_role("button", name="Enlarge ×4")).to_be_enabled(timeout=LONG)
            expect(page.get_by_role("status")).to_have_count(0)


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
    expect(page.locator(".opblock")).to_have_count(7)


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


def test_touch_moves_the_slider_on_a_phone(browser: Browser, house: House) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale="en")
    page = context.new_page()
    page.goto(house.url)
    enlarge(page, seed=63)
    box = page.locator(".stage").bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert 65 < value(page) < 85
    context.close()
