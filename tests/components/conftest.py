"""A folder of real photos, some of them unfit, and the runner that components run under."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipelines.running import local_runner


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """Where the artifacts of this test's runs go."""
    with local_runner(tmp_path / "runs"):
        yield tmp_path / "runs"


@pytest.fixture(scope="session")
def unfit(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos, a copy of one of them, and a flat picture."""
    folder = tmp_path_factory.mktemp("unfit") / "set"
    shutil.copytree(photos, folder)
    shutil.copy(folder / "coffee.png", folder / "coffee_again.png")
    Image.new("RGB", (200, 200), (200, 10, 10)).save(folder / "flat.png")
    return folder
