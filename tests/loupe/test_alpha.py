import numpy as np
import pytest

from loupe import alpha as alpha_module
from loupe.alpha import fill_under
from loupe.images import Picture
from loupe.resize import resize

GREEN = np.array([0, 255, 0])


def disc(height: int, width: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return np.clip((radius - distance + 0.5) * 255, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(97, 64), (64, 97), (1, 33), (33, 1), (300, 7)])
def test_visible_pixels_stay_and_hidden_ones_follow(dtype: type, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    top = np.iinfo(dtype).max
    visible = rng.random(shape) < 0.1
    visible[0, 0] = True
    alpha = (visible * rng.integers(1, top, shape)).astype(dtype)
    color = np.broadcast_to((GREEN / 255 * top).astype(dtype), (*shape, 3)).copy()
    color[visible] = rng.integers(top // 2, top * 3 // 4, (visible.sum(), 3)) * [1, 0, 1]
    before = color.copy()
    filled = fill_under(color, alpha)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[visible], color[visible])
    np.testing.assert_array_equal(color, before)
    assert filled[..., 1].max() == 0, "hidden green came through"
    assert filled[..., 0].min() >= top // 2
    assert filled[..., 0].max() <= top * 3 // 4


def test_near_a_straight_edge_the_nearer_colour_wins() -> None:
    color = np.zeros((64, 64, 3), np.uint8)
    alpha = np.zeros((64, 64), np.uint8)
    color[:, :16], alpha[:, :16] = (200, 0, 0), 255
    color[:, 48:], alpha[:, 48:] = (0, 0, 200), 255
    filled = fill_under(color, alpha).astype(int)
    assert np.abs(filled[:, 16] - [200, 0, 0]).max() <= 20
    assert np.abs(filled[:, 47] - [0, 0, 200]).max() <= 20
    assert (filled[:, 16:24, 0] > filled[:, 16:24, 2]).all()
    assert (filled[:, 40:48, 0] < filled[:, 40:48, 2]).all()


def test_faint_pixels_say_little() -> None:
    color = np.zeros((16, 16, 3), np.uint8)
    alpha = np.zeros((16, 16), np.uint8)
    color[:, 6], alpha[:, 6] = 200, 255
    color[:, 7], alpha[:, 7] = (0, 255, 0), 2
    filled = fill_under(color, alpha)
    assert (filled[:, 7] == [0, 255, 0]).all()
    assert np.abs(filled[:, 8:].astype(int) - 200).max() <= 10


def test_gray_and_nothing_to_do() -> None:
    color = np.full((8, 8, 1), 9, np.uint8)
    assert fill_under(color, np.full((8, 8), 1, np.uint8)) is color
    assert fill_under(color, np.zeros((8, 8), np.uint8)) is color
    half = np.zeros((8, 8), np.uint8)
    half[:, :4] = 255
    color[:, 4:] = 77
    assert (fill_under(color, half) == 9).all()


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    color = rng.integers(0, 256, (233, 50, 3)).astype(np.uint8)
    alpha = (rng.random((233, 50)) < 0.02).astype(np.uint8) * np.uint8(255)
    monkeypatch.setattr(alpha_module, "_BAND", 1000)
    whole = fill_under(color, alpha)
    for band in (2, 16, 64):
        monkeypatch.setattr(alpha_module, "_BAND", band)
        np.testing.assert_array_equal(fill_under(color, alpha), whole)


def test_no_halo_after_enlarging() -> None:
    # A red disc on hidden green, enlarged as three colour planes and an alpha plane, laid on gray.
    alpha = disc(40, 50, 14)
    color = np.where(alpha[..., None] > 0, np.array([220, 30, 30]), GREEN).astype(np.uint8)

    def laid_on_gray(picture: Picture) -> np.ndarray:
        planes = resize(Picture(color=picture.color), 200, 160)
        assert picture.alpha is not None
        cover = resize(Picture(color=picture.alpha[..., None]), 200, 160).color / 255
        return planes.color * cover + 128 * (1 - cover)

    naive = laid_on_gray(Picture(color=color, alpha=alpha))
    ours = laid_on_gray(Picture(color=fill_under(color, alpha), alpha=alpha))
    # Between red (green 30) and gray (128) no green above 128 can be right.
    assert naive[..., 1].max() > 140, "this test would not see a halo"
    assert ours[..., 1].max() <= 129
