"""Packs: what went in comes out, low-resolution pictures are MATLAB's, and half a pack is no pack."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from loupe.degrade import bicubic_downscale
from training.pack import Pack, open_pack, pack_pictures, to_batch


def test_pictures_come_out_as_they_went_in(pack: Pack, photos: Path) -> None:
    for index, entry in enumerate(pack.entries):
        picture = np.asarray(Image.open(photos / entry.name))[: entry.height, : entry.width]
        np.testing.assert_array_equal(pack.picture(index), picture)
        assert entry.height % 12 == entry.width % 12 == 0
    assert pack.pixels == sum(e.height * e.width for e in pack.entries)


@pytest.mark.parametrize("scale", [2, 4])
def test_low_resolution_is_made_of_whole_pictures(pack: Pack, scale: int) -> None:
    lr = to_batch(pack.picture(1, scale))
    torch.testing.assert_close(lr, bicubic_downscale(to_batch(pack.picture(1)), scale), atol=1e-6, rtol=0)


def test_the_same_pictures_are_packed_once(photos: Path, tmp_path: Path) -> None:
    paths = sorted(photos.iterdir())[:2]
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        pack_pictures(paths, tmp_path / "p", scales=(4,), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]
    pack_pictures(paths[:1], tmp_path / "p", scales=(4,))
    assert len(open_pack(tmp_path / "p").entries) == 1


def test_what_is_no_picture_is_left_out_and_said(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    Image.new("RGB", (40, 400)).save(tmp_path / "small.png")
    good = sorted(photos.iterdir())[0]
    folder = pack_pictures([tmp_path / "broken.png", tmp_path / "small.png", good], tmp_path / "p", scales=(2,))
    assert [entry.name for entry in open_pack(folder).entries] == [good.name]
    said = (folder / "pack.json").read_text()
    assert "broken.png" in said
    assert "smaller than 96 pixels" in said
    with pytest.raises(ValueError, match="no picture to pack: got 1 files"):
        pack_pictures([tmp_path / "broken.png"], tmp_path / "q")
    assert not list(tmp_path.glob(".q*"))
