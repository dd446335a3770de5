"""What a person does on the page: open it, choose a file, press buttons."""

import re
from collections.abc import Iterator

from playwright.sync_api import BrowserContext, Page, expect

from tests.frontend.conftest import picture_bytes
from tests.frontend.house import House

LONG = 60_000  # ms


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
