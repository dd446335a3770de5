"""Pictures of the page in each of its states, to be looked at.

python -m tests.frontend.screenshots /tmp/shots
"""

import argparse
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.frontend.house import (
    CHROMIUM_FLAGS,
    ROOT,
    House,
    chromium,
    make_checkpoint,
    run_inference,
    run_page,
)
from tests.samplers import make_sampler

SAMPLE = ROOT / "frontend/web/public/sample.jpg"
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1440, 900), "wide": (2200, 1100)}
SLOW = "edsr_x4"  # the largest of the family, so that there is progress to see
READY = ".start button:enabled"


def empty(page: Page, _: Path) -> None:
    """As it opens."""


def dragging(page: Page, _: Path) -> None:
    """A file held over the page."""
    page.evaluate(
        "document.dispatchEvent(new DragEvent('dragenter', {dataTransfer: (() => "
        "{ const t = new DataTransfer(); t.items.add(new File(['x'], 'x.png')); return t })()}))"
    )
    page.wait_for_selector(".over")


def ready(page: Page, picture: Path) -> None:
    """A picture is open."""
    page.set_input_files("input[type=file]", picture)
    page.wait_for_selector(READY)


def working(page: Page, picture: Path) -> None:
    """Some tiles are done."""
    ready(page, picture)
    page.locator("label", has=page.locator(f"input[value={SLOW}]")).click()
    page.click(READY)
    page.get_by_text(re.compile(r"(Tile|Фрагмент) \d+ ")).first.wait_for(timeout=60_000)


def done(page: Page, picture: Path) -> None:
    """Before and after."""
    ready(page, picture)
    page.click(READY)
    page.wait_for_selector("[role=slider]", timeout=60_000)


def actual(page: Page, picture: Path) -> None:
    """Before and after at 100%."""
    done(page, picture)
    page.get_by_role("button", name="100%").click()


def bad_file(page: Page, _: Path) -> None:
    """Text that calls itself a picture."""
    page.set_input_files("input[type=file]", {"name": "notes.png", "mimeType": "image/png", "buffer": b"not a picture"})
    page.wait_for_selector("[role=alert]")


def failed(page: Page, picture: Path) -> None:
    """The server is gone in the middle."""
    ready(page, picture)
    page.route("**/api/upscale", lambda route: route.abort())
    page.click(READY)
    page.wait_for_selector("[role=alert]")


def to_draw(page: Page) -> None:
    page.get_by_role("navigation").first.get_by_role("link").nth(1).click()
    page.wait_for_selector(".board")


def sketch(page: Page, _: Path) -> None:
    """A sketch, and nothing drawn yet."""
    to_draw(page)
    page.locator(".sources button").nth(1).click()


def drawing(page: Page, picture: Path) -> None:
    """Some rows are drawn."""
    sketch(page, picture)
    page.locator("input[name=cells][value='16']").check(force=True)
    page.click(".draw-button")
    page.get_by_text(re.compile(r"(Row|Строка) ([5-9]|\d\d) ")).first.wait_for(timeout=60_000)


def drawn(page: Page, picture: Path) -> None:
    """Six answers."""
    sketch(page, picture)
    page.locator("input[type=number]").fill("7")
    page.click(".draw-button")
    page.wait_for_selector(".answer a", timeout=60_000)
    page.wait_for_timeout(200)


def guessed(page: Page, picture: Path) -> None:
    """Where they are a guess."""
    drawn(page, picture)
    page.locator(".overlay-line input").check()


def draw_failed(page: Page, picture: Path) -> None:
    """The server is gone."""
    sketch(page, picture)
    page.route("**/api/draw", lambda route: route.abort())
    page.click(".draw-button")
    page.wait_for_selector("[role=alert]")


STATES: tuple[Callable[[Page, Path], None], ...] = (
    empty,
    dragging,
    ready,
    working,
    done,
    actual,
    bad_file,
    failed,
    sketch,
    drawing,
    drawn,
    guessed,
    draw_failed,
)


def shoot(house: House, picture: Path, folder: Path, only: list[str] | None = None) -> None:
    """Every state in both sizes and both schemes, and some in Russian and on a wide screen."""
    wanted = [
        (state, size, scheme, "en") for state in STATES for size in ("phone", "desktop") for scheme in ("light", "dark")
    ]
    wanted += [(state, "desktop", "light", "ru") for state in (empty, done, drawn)] + [(ready, "phone", "light", "ru")]
    wanted += [(done, "wide", "light", "en"), (drawn, "wide", "dark", "en"), (drawn, "tablet", "light", "ru")]
    wanted = [one for one in wanted if not only or one[0].__name__ in only]
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        for state, size, scheme, locale in wanted:
            width, height = SIZES[size]
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
                locale=locale,
                device_scale_factor=2 if size == "phone" else 1,
            )
            page = context.new_page()
            page.goto(house.url)
            page.wait_for_load_state("networkidle")
            state(page, picture)
            page.wait_for_timeout(300)
            page.screenshot(
                path=folder / f"{state.__name__}-{size}-{scheme}-{locale}.png", full_page=size in ("phone", "tablet")
            )
            context.close()
        browser.close()


def main() -> None:
    """Start everything, take the pictures, stop everything."""
    parser = argparse.ArgumentParser(description="Take pictures of the page in each of its states.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=Path, help="checkpoints to use; random ones if not given")
    parser.add_argument("--picture", type=Path, default=SAMPLE)
    parser.add_argument("--only", nargs="*", help="states, by name; all if not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        models = place / "models"
        if given.models:
            shutil.copytree(given.models, models)
        else:
            for name, scale in (("edsr_fast_x2", 2), ("edsr_light_x2", 2), ("edsr_fast_x4", 4)):
                make_checkpoint(models, name, scale=scale)
            make_checkpoint(models, "edsr_light_x4", scale=4, features=48)
            make_sampler(models, "pixel_recursive_faces")
        if not (models / f"{SLOW}.safetensors").exists():
            make_checkpoint(models, SLOW, scale=4, features=64, blocks=16)
        with (
            run_inference(models, place / "inference.log") as inference,
            run_page(inference.url, place / "storage", models, place / "page.log", job_tile=32) as page,
        ):
            shoot(page, given.picture, given.folder, given.only)


if __name__ == "__main__":
    main()
