"""A pack of real photos, made once."""

from pathlib import Path

import pytest

from training.pack import Pack, open_pack, pack_pictures


@pytest.fixture(scope="session")
def pack(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("packs") / "photos"
    return open_pack(pack_pictures(sorted(photos.iterdir()), folder, scales=(2, 4)))
