import tracemalloc

import numpy as np
import pytest
from PIL import Image

from loupe import resize as resize_module
from loupe.errors import InvalidOption
from loupe.images import Picture
from loupe.resize import resize


@pytest.mark.parametrize("size", [(32, 24), (7, 5), (200, 150), (1, 1), (64, 10), (13, 48)])
def test_8_bits_are_pillows_lanczos(size: tuple[int, int], smooth: np.ndarray) -> None:
    result = resize(Picture(color=smooth), *size)
    expected = np.asarray(Image.fromarray(smooth).resize(size, Image.Resampling.LANCZOS))
    assert np.abs(result.color.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_keep_their_depth(channels: int) -> None:
    ramp = np.tile(np.arange(0, 64000, 500, dtype=np.uint16), (16, 1))
    picture = Picture(color=np.repeat(ramp[..., None], channels, 2))
    result = resize(picture, 64, 8)
    assert result.color.dtype == np.uint16
    # The middle of each pair of steps, away from the borders.
    np.testing.assert_allclose(result.color[4, 4:-4, 0], np.arange(250, 64000, 1000)[4:-4], atol=1)
    assert np.unique(result.color).size > 60


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("size", [(40, 333), (61, 100), (20, 1200)])
def test_bands_do_not_show(
    dtype: type, with_alpha: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (500, 61, 4)).astype(dtype)
    picture = Picture(color=noise[..., :3].copy(), alpha=noise[..., 3].copy() if with_alpha else None)
    whole = resize(picture, *size)
    monkeypatch.setattr(resize_module, "_BAND_PIXELS", 2000)
    banded = resize(picture, *size)
    # Positions inside a band are floating-point numbers of another size: the last digit may differ.
    assert np.abs(banded.color.astype(int) - whole.color).max() <= (1 if dtype == np.uint8 else 8)
    if with_alpha:
        assert np.abs(banded.alpha.astype(int) - whole.alpha).max() <= (1 if dtype == np.uint8 else 8)


def test_colour_is_weighted_by_alpha() -> None:
    # Red where it is seen, green where it is not: no green may reach what is seen afterwards.
    color = np.zeros((64, 64, 3), np.uint8)
    color[:, :30], color[:, 30:] = (200, 0, 0), (0, 255, 0)
    alpha = np.zeros((64, 64), np.uint8)
    alpha[:, :30] = 255
    result = resize(Picture(color=color, alpha=alpha), 20, 20)
    seen = result.alpha > 0
    assert seen.any()
    assert not seen.all()
    assert result.color[seen][:, 1].max() == 0
    assert np.abs(result.color[seen][:, 0].astype(int) - 200).max() <= 1
    assert ((result.alpha > 0) & (result.alpha < 255)).any(), "the edge is antialiased"


def test_downscaling_is_antialiased() -> None:
    checks = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    assert np.abs(resize(Picture(color=checks), 32, 32).color.astype(int) - 127.5).max() <= 2


def test_the_rest_of_the_picture_is_kept(smooth: np.ndarray) -> None:
    picture = Picture(color=smooth, icc=b"profile", exif=b"exif", format="JPEG", notes=("note",))
    result = resize(picture, 10, 9)
    assert (result.width, result.height) == (10, 9)
    assert (result.icc, result.exif, result.format, result.notes) == (b"profile", b"exif", "JPEG", ("note",))
    assert resize(picture, 64, 48) is picture


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_impossible_sizes(size: tuple[int, int], smooth: np.ndarray) -> None:
    with pytest.raises(InvalidOption, match="expected at least 1x1"):
        resize(Picture(color=smooth), *size)


def test_memory_is_bounded_by_the_band() -> None:
    picture = Picture(color=np.zeros((3000, 4000, 3), np.uint16), alpha=np.zeros((3000, 4000), np.uint16))
    tracemalloc.start()
    try:
        resize(picture, 3000, 2250)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    result = 3000 * 2250 * 4 * 2
    assert peak < result + 150e6, f"{peak / 1e6:.0f} MB"  # a float copy of the whole would be 192 MB more
