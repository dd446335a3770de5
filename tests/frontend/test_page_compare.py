"""Before and after: the slider, 100%, by mouse, touch and keys."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.frontend.house import House
from tests.frontend.person import enlarge, opened, value

pytestmark = pytest.mark.browser


@pytest.fixture
def page(context: BrowserContext, house: House) -> Iterator[Page]:
    yield from opened(context, house)


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
    assert re.fullmatch(r"inset\(0px \d+(\.\d+)?px 0px 0px\)", clips["before"])
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
