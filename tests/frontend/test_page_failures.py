"""What goes wrong is said on the page in words, with the next step."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.frontend.conftest import QUICK, SLOW, picture_bytes
from tests.frontend.house import House, free_port, run_inference
from tests.frontend.person import LONG, choose_model, give, opened, start

pytestmark = pytest.mark.browser


@pytest.fixture
def page(context: BrowserContext, house: House) -> Iterator[Page]:
    yield from opened(context, house)


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
    port = free_port()
    for page in opened(context, another_house(f"http://127.0.0.1:{port}")):
        expect(page.get_by_role("status")).to_contain_text("still loading")
        give(page, picture_bytes(20, 20, seed=58))
        expect(page.get_by_role("button", name="Enlarge ×4")).to_be_disabled()
        with run_inference(models, tmp_path / "inference", port=port):
            expect(page.get_by_role("button", name="Enlarge ×4")).to_be_enabled(timeout=LONG)
            expect(page.get_by_role("status")).to_have_count(0)
