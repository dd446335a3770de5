"""A pack of real photos, made once, and a bucket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.pack import Pack, open_pack, pack_pictures


@pytest.fixture(scope="session")
def pack(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("packs") / "photos"
    return open_pack(pack_pictures(sorted(photos.iterdir()), folder, scales=(2, 4)))


@pytest.fixture
def bucket(s3: Callable[[str], str]) -> str:
    """``s3://bucket/prefix`` on a server, with the environment that leads there."""
    return f"{s3('pictures')}/set"
