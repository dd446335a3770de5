"""The tab that draws, in a real browser over both real servers: from cells to saved answers."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from loupe.artists import load_artist
from loupe.drawing import DrawOptions
from loupe.images import decode
from loupe.settings import Settings
from tests.frontend.conftest import DRAWS, QUICK, picture_bytes
from tests.frontend.house import House
from tests.frontend.person import LONG, opened

pytestmark = pytest.mark.browser

BOARD = ".board"


@pytest.fixture
def page(context: BrowserContext, house: House) -> Iterator[Page]:
    for page in opened(context, house):
        page.get_by_role("link", name="Draw", exact=True).click()
        expect(page.get_by_role("grid")).to_be_visible()
        yield page


def cells(page: Page) -> np.ndarray:
    """(rows, columns) of ``#rrggbb``, as a screen reader is told them."""
    said = page.get_by_role("gridcell").evaluate_all("cells => cells.map(cell => cell.ariaLabel)")
    colours = [text.rpartition(" ")[2] for text in said]
    side = int(page.get_by_role("grid").get_attribute("aria-colcount") or 0)
    return np.array(colours).reshape(-1, side)


def middle(page: Page, row: int, column: int, side: int = 8) -> tuple[float, float]:
    box = page.locator(BOARD).bounding_box()
    assert box
    return box["x"] + (column + 0.5) * box["width"] / side, box["y"] + (row + 0.5) * box["height"] / side


def stroke(page: Page, begin: tuple[int, int], end: tuple[int, int]) -> None:
    page.mouse.move(*middle(page, *begin))
    page.mouse.down()
    page.mouse.move(*middle(page, *end))
    page.mouse.up()


def tool(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^{name}"))


def draw(page: Page, seed: int, count: int = 4) -> None:
    page.locator("label", has=page.locator(f"input[name=samples][value='{count}']")).click()
    page.get_by_label("First seed").fill(str(seed))
    page.get_by_role("button", name=f"Draw {count} answers").click()
    expect(page.get_by_role("link", name=re.compile("Download"))).to_have_count(count, timeout=LONG)


def drawn_pixels(page: Page, index: int) -> np.ndarray:
    url = page.locator(".drawn canvas").nth(index).evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def test_painting_filling_erasing_and_undoing(page: Page) -> None:
    page.get_by_role("button", name="Colour #a8453f").click()
    stroke(page, (1, 1), (1, 5))
    assert (cells(page)[1, 1:6] == "#a8453f").all()
    assert (cells(page) == "#a8453f").sum() == 5
    tool(page, "Mirror").click()
    page.get_by_role("button", name="Colour #2f5d8a").click()
    stroke(page, (3, 0), (5, 0))
    assert (cells(page)[3:6, [0, 7]] == "#2f5d8a").all()
    tool(page, "Mirror").click()
    tool(page, "Fill").click()
    page.mouse.click(*middle(page, 7, 4))
    assert (cells(page) == "#2f5d8a").sum() == 64 - 5
    tool(page, "Eraser").click()
    page.mouse.click(*middle(page, 0, 0))
    assert cells(page)[0, 0] == "#ffffff"
    tool(page, "Pick").click()
    page.mouse.click(*middle(page, 1, 3))
    expect(page.get_by_role("button", name="Colour #a8453f")).to_have_attribute("aria-pressed", "true")

    for _ in range(4):
        page.keyboard.press("Control+z")
    assert (cells(page) == "#ffffff").all()
    expect(tool(page, "Undo")).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    assert (cells(page) == "#a8453f").sum() == 5


def test_by_keyboard_alone(page: Page) -> None:
    board = page.get_by_role("grid")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "grid":
            break
    expect(board).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    painted = cells(page) != "#ffffff"
    assert np.argwhere(painted).tolist() == [[1, 0], [1, 1], [1, 2], [1, 3], [1, 7]]
    said = page.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).ariaLabel"
    )
    assert said.startswith("Row 2, column 8: #")
    page.keyboard.press("f")
    expect(tool(page, "Fill")).to_have_attribute("aria-pressed", "true")


def test_a_picture_is_shrunk_into_the_cells(page: Page) -> None:
    image = Image.new("RGB", (200, 100), (200, 30, 40))
    image.paste((10, 20, 250), (100, 0, 200, 100))
    file = io.BytesIO()
    image.save(file, "PNG")
    page.set_input_files(
        ".studio input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    expect(page.get_by_role("gridcell").first).to_have_attribute("aria-label", "Row 1, column 1: #c81e28")
    assert (cells(page)[:, :4] == "#c81e28").all()
    assert (cells(page)[:, 4:] == "#0a14fa").all()
    page.locator("label", has=page.locator("input[name=cells][value='12']")).click()
    assert cells(page).shape == (12, 12)
    assert (cells(page)[:, :6] == "#c81e28").all()


def test_a_file_that_is_no_picture_is_told(page: Page) -> None:
    page.set_input_files(
        ".studio input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": b"these are words"}
    )
    expect(page.get_by_role("alert")).to_contain_text("not a picture that Loupe can read", timeout=LONG)


def test_answers_are_the_models_own_and_can_be_saved(page: Page, house: House, models: Path, tmp_path: Path) -> None:
    page.get_by_role("button", name="Example").click()
    expect(page.get_by_text("These faces are invented")).to_be_visible()
    levels = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in cells(page).ravel()]
    draw(page, seed=11)

    sketch = np.array(levels, np.uint8).reshape(8, 8, 3)
    artist = load_artist(models / f"{DRAWS}.safetensors", Settings(threads=1))
    expected = artist.draw(sketch, DrawOptions(samples=4, seed=11)).pictures
    for index in range(4):
        np.testing.assert_array_equal(drawn_pixels(page, index), expected[index])
    expect(page.get_by_role("img", name="Answer 2, seed 12")).to_be_visible()
    link = page.get_by_role("link", name="Download the answer with seed 12")
    with page.expect_download() as saved:
        link.click()
    saved.value.save_as(tmp_path / "saved")
    assert saved.value.suggested_filename == "drawn_seed12.png"
    np.testing.assert_array_equal(decode((tmp_path / "saved").read_bytes()).color, expected[1])


def test_more_answers_have_other_seeds_unless_they_are_kept(page: Page) -> None:
    page.get_by_role("button", name="Example").click()
    draw(page, seed=100)
    first = drawn_pixels(page, 0)
    page.get_by_role("button", name="Draw 4 more").click()
    expect(page.get_by_text("Seed 107")).to_be_visible(timeout=LONG)
    expect(page.get_by_label("First seed")).to_have_value("104")
    expect(page.get_by_role("link", name=re.compile("Download"))).to_have_count(4, timeout=LONG)
    assert not np.array_equal(drawn_pixels(page, 0), first)

    page.get_by_label("Keep the seeds").check()
    before = drawn_pixels(page, 0)
    page.get_by_label("Temperature").fill("0.6")
    page.get_by_role("button", name="Draw the 4 again").click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=LONG)
    expect(page.get_by_text("Seed 104")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Download"))).to_have_count(4, timeout=LONG)
    assert not np.array_equal(drawn_pixels(page, 0), before)


def test_where_it_guesses_is_shown_over_the_answers(page: Page) -> None:
    page.get_by_role("button", name="Example").click()
    draw(page, seed=200)
    expect(page.get_by_text(re.compile(r"^\d+(\.\d)? bits a pixel$"))).to_have_count(4)
    maps = page.get_by_role("img", name=re.compile("is a guess"))
    expect(maps).to_have_count(0)
    page.get_by_label("Show where it guesses").check()
    expect(maps).to_have_count(4)
    expect(page.get_by_text("Bright: a guess")).to_be_visible()


def test_rows_appear_one_after_the_other_and_cancel_stops_them(page: Page, inference: House) -> None:
    page.get_by_role("button", name="Example").click()
    page.locator("label", has=page.locator("input[name=cells][value='16']")).click()
    page.get_by_role("button", name="Draw 6 answers").click()
    bar = page.get_by_role("progressbar")
    expect(page.get_by_text(re.compile(r"^Row ([5-9]|[1-4]\d) of 64$"))).to_be_visible(timeout=LONG)
    assert 0 < int(bar.get_attribute("aria-valuenow") or 0) < 100
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your answers appear here")).to_be_visible()
    for _ in range(100):
        if f'loupe_requests_in_flight{{model="{DRAWS}"}} 0.0' in httpx.get(f"{inference.url}/metrics").text:
            return
        page.wait_for_timeout(100)
    raise AssertionError("still drawing")


def test_a_failure_is_told_and_tried_again(page: Page) -> None:
    page.route("**/api/draw", lambda route: route.abort())
    page.get_by_role("button", name="Draw 6 answers").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("connection broke off")
    page.unroute("**/api/draw")
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name=re.compile("Download"))).to_have_count(6, timeout=LONG)


def test_the_other_tab_keeps_what_was_there(page: Page) -> None:
    page.get_by_role("button", name="Example").click()
    before = cells(page)
    page.get_by_role("link", name="Enlarge", exact=True).click()
    expect(page.get_by_role("radio", name=re.compile(DRAWS))).to_have_count(0)
    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
    page.go_back()
    assert (cells(page) == before).all()
    assert page.url.endswith("#draw")


def test_without_a_model_that_draws_it_says_so(context: BrowserContext, another_house: Callable[..., House]) -> None:
    for page in opened(context, another_house(offer_models=QUICK)):
        page.get_by_role("link", name="Draw", exact=True).click()
        expect(page.get_by_text("There is no model that draws here")).to_be_visible()
        expect(page.get_by_role("button", name="Draw 6 answers")).to_be_disabled()


def test_every_button_and_field_has_a_name(page: Page) -> None:
    page.get_by_role("button", name="Example").click()
    draw(page, seed=300)
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    wanted = {"button", "link", "textbox", "spinbutton", "slider", "checkbox", "radio", "grid", "image", "ColorWell"}
    seen = [node for node in nodes if node.get("role", {}).get("value") in wanted and not node.get("ignored")]
    assert len(seen) > 40
    assert [node["role"]["value"] for node in seen if not node.get("name", {}).get("value")] == []


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (768, 1024), (1440, 900), (2560, 1300)])
def test_no_width_needs_scrolling_sideways(browser: Browser, house: House, width: int, height: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, locale="ru")
    page = context.new_page()
    page.goto(f"{house.url}/#draw")
    page.get_by_role("button", name="Пример").click()
    page.get_by_label("Показать, где догадки").check()
    page.get_by_role("button", name="Нарисовать: 6").click()
    expect(page.get_by_role("link", name=re.compile("Скачать"))).to_have_count(6, timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    context.close()


def test_a_picture_dropped_here_becomes_a_sketch(page: Page) -> None:
    data = list(picture_bytes(24, 16, seed=91))
    transfer = page.evaluate_handle(
        "data => { const t = new DataTransfer();"
        " t.items.add(new File([new Uint8Array(data)], 'dropped.png', {type: 'image/png'})); return t }",
        data,
    )
    page.dispatch_event(BOARD, "dragenter", {"dataTransfer": transfer})
    expect(page.get_by_text("Let go to make it a sketch")).to_be_visible()
    page.dispatch_event(BOARD, "drop", {"dataTransfer": transfer})
    expect(page.get_by_text("Let go to make it a sketch")).to_have_count(0)
    expect(page.get_by_role("gridcell").first).not_to_have_attribute("aria-label", re.compile("#ffffff$"))
