"""One house for all tests of the page, with one quick model and one slow one; and a browser."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from loupe.images import Picture, encode
from tests.frontend.house import CHROMIUM_FLAGS, House, chromium, make_checkpoint, run_inference, run_page
from tests.samplers import make_sampler

QUICK, SLOW = "edsr_fast_x4", "edsr_x4"
DRAWS = "pixel_recursive_faces"
Counter = Callable[[str], int]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three checkpoints that enlarge, and one that draws."""
    folder = tmp_path_factory.mktemp("models")
    make_checkpoint(folder, QUICK, scale=4)
    make_checkpoint(folder, "edsr_fast_x2", scale=2)
    make_checkpoint(folder, SLOW, scale=4, features=64, blocks=16)
    make_sampler(folder, DRAWS)
    return folder


@pytest.fixture(scope="session")
def inference(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The inference server."""
    with run_inference(models, tmp_path_factory.mktemp("inference") / "log") as house:
        yield house


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of results."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="session")
def house(inference: House, storage: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The page's server; small tiles, so that there is progress to see."""
    log = tmp_path_factory.mktemp("page") / "log"
    with run_page(inference.url, storage, models, log, job_tile=32, default_model=QUICK) as house:
        yield house


@pytest.fixture
def another_house(inference: House, models: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Starts a page's server of one's own with other settings."""
    with ExitStack() as stack:

        def start(url: str = inference.url, **settings: object) -> House:
            settings = {"job_tile": 32, "default_model": QUICK, **settings}
            return stack.enter_context(run_page(url, tmp_path / "own", models, tmp_path / "log", **settings))

        yield start


@pytest.fixture
def api(house: House) -> Iterator[httpx.Client]:
    """A client of the page's server."""
    with httpx.Client(base_url=house.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def tiles_served(inference: House) -> Counter:
    """How many pictures (tiles and probes) the inference server has enlarged with a model."""

    def count(model: str) -> int:
        text = httpx.get(f"{inference.url}/metrics", trust_env=False).text
        pattern = rf'^loupe_requests_total{{model="{model}",status="200"}} (\S+)$'
        found = re.search(pattern, text, re.MULTILINE)
        return int(float(found[1])) if found else 0

    return count


def picture_bytes(width: int, height: int, seed: int, format: str = "PNG") -> bytes:
    """A picture that no other seed gives, so that it is in nobody's storage."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return encode(Picture(color=noise.repeat(8, 0).repeat(8, 1)[:height, :width]), format)


@pytest.fixture(scope="module")  # Playwright keeps an event loop running, beside which other modules could run none
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = chromium()
    if path is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile at a desktop's size that speaks English."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    yield context
    context.close()
