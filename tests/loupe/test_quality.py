"""Statistics of pictures whose answers are known: made ones, and photos with known damage."""

import io
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydantic import ValidationError

from loupe.images import Picture, decode
from loupe.quality import BAND, FEATURES, Quality, luma, measure


def gray(plane: NDArray[np.float64]) -> Picture:
    return Picture(color=np.clip(np.rint(plane), 0, 255).astype(np.uint8)[..., None])


def test_a_constant_has_light_and_nothing_else() -> None:
    color = np.full((100, 60, 3), (200, 100, 50), np.uint8)
    quality = measure(Picture(color=color))
    assert quality.light_mean == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=1e-3)
    assert quality.light_spread == pytest.approx(0, abs=1e-3)
    assert (quality.noise_sigma, quality.sharpness) == pytest.approx((0, 0), abs=1e-3)
    assert quality.entropy == quality.edge_density == 0
    assert quality.blockiness == pytest.approx(1)
    assert (quality.width, quality.height) == (60, 100)
    # Hasler and Suesstrunk: no spread; rg = 100, yb = 150 - 50 = 100
    assert quality.colourfulness == pytest.approx(0.3 * np.hypot(100, 100), rel=1e-6)


def test_a_ramp_of_all_levels() -> None:
    quality = measure(gray(np.tile(np.arange(256.0), (BAND + 77, 1))))
    assert quality.light_mean == pytest.approx(127.5)
    assert quality.light_spread == pytest.approx(np.sqrt((256**2 - 1) / 12), rel=1e-6)  # of a uniform distribution
    assert quality.entropy == pytest.approx(8)
    assert quality.sharpness == pytest.approx(0, abs=1e-6)
    assert quality.noise_sigma == quality.colourfulness == quality.edge_density == 0


def test_edges_are_counted_and_sharp() -> None:
    bars = np.zeros((64, 66))
    bars[:, 22:44] = 255
    quality = measure(gray(bars))
    assert quality.edge_density == pytest.approx(4 / 64)  # two steps, each seen by two columns of the inner 64
    laplace = np.zeros(64)  # of the inner columns 1..64: -255 and 255 beside each step
    laplace[[20, 43]], laplace[[21, 42]] = 255, -255
    assert quality.sharpness == pytest.approx(laplace.var())
    assert quality.entropy == pytest.approx(-(1 / 3 * np.log2(1 / 3) + 2 / 3 * np.log2(2 / 3)))


@pytest.mark.parametrize("sigma", [2, 5, 10, 25])
def test_added_noise_is_found_on_made_pictures(sigma: int) -> None:
    rng = np.random.default_rng(sigma)
    for clean in (np.full((200, 200), 128.0), np.tile(np.linspace(70, 190, 300), (260, 1))):
        assert measure(gray(clean + rng.normal(0, sigma, clean.shape))).noise_sigma == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "camera"])
def test_added_noise_is_found_on_photos(name: str) -> None:
    import skimage.data

    color = np.asarray(getattr(skimage.data, name)())
    clean = luma(color if color.ndim == 3 else color[..., None]).astype(np.float64)
    rng = np.random.default_rng(1)
    for sigma in (2, 4, 8, 16, 25):
        got = measure(gray(clean + rng.normal(0, sigma, clean.shape))).noise_sigma
        assert got == pytest.approx(sigma, rel=0.15), sigma


def test_white_and_black_borders_do_not_hide_noise(photo: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(2)
    noisy = np.clip(luma(photo) + rng.normal(0, 10, photo.shape[:2]), 0, 255)
    framed = np.pad(noisy, 200, constant_values=255)
    assert measure(gray(framed)).noise_sigma == pytest.approx(10, rel=0.15)


def test_worse_jpegs_are_blockier(photo: NDArray[np.uint8]) -> None:
    found = []
    for quality in (95, 70, 40, 20, 8):
        data = io.BytesIO()
        Image.fromarray(photo).resize((400, 400), Image.Resampling.LANCZOS).save(data, "JPEG", quality=quality)
        found.append(measure(decode(data.getvalue())).blockiness)
    assert found == sorted(found)
    assert found[0] == pytest.approx(1, abs=0.08)
    assert found[-1] > 1.8


def test_blur_softens(photo: NDArray[np.uint8]) -> None:
    found = [
        measure(Picture(color=np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(radius)))))
        for radius in (0, 0.7, 1.5, 3)
    ]
    sharpness, edges = [q.sharpness for q in found], [q.edge_density for q in found]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < 0.02 * sharpness[0]
    assert edges == sorted(edges, reverse=True)


def test_depth_and_channels_change_nothing(photo: NDArray[np.uint8]) -> None:
    eight = measure(Picture(color=photo)).model_dump()
    sixteen = measure(Picture(color=photo.astype(np.uint16) * 257)).model_dump()
    assert sixteen == pytest.approx(eight, rel=1e-3)
    one = photo[..., :1]
    alone, repeated = measure(Picture(color=one)), measure(Picture(color=np.repeat(one, 3, axis=2)))
    assert repeated.model_dump() == pytest.approx(alone.model_dump(), rel=1e-3, abs=1e-3)
    assert measure(Picture(color=one, alpha=np.zeros(one.shape[:2], np.uint8))) == alone


@pytest.mark.parametrize("height", [1, 2, 3, BAND - 1, BAND, BAND + 1, BAND + 2, BAND + 3, 2 * BAND + 40])
def test_bands_do_not_show(height: int) -> None:
    """Against the definitions, written for a whole plane."""
    plane = np.random.default_rng(height).integers(0, 256, (height, 50)).astype(np.float64)
    quality = measure(gray(plane))
    assert quality.light_mean == pytest.approx(plane.mean())
    assert quality.light_spread == pytest.approx(plane.std())
    counts = np.bincount(plane.astype(int).ravel())
    share = counts[counts > 0] / plane.size
    assert quality.entropy == pytest.approx(-(share * np.log2(share)).sum())
    if height >= 3:
        around = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]
        assert quality.sharpness == pytest.approx((around - 4 * plane[1:-1, 1:-1]).var(), rel=1e-5)
    steps = [np.abs(np.diff(plane, axis=1)), np.abs(np.diff(plane, axis=0)).T]
    on = np.concatenate([step[:, 7::8].ravel() for step in steps])
    total, count = sum(step.sum() for step in steps), sum(step.size for step in steps)
    off = (total - on.sum()) / (count - on.size)
    assert quality.blockiness == pytest.approx((on.mean() + 0.1) / (off + 0.1), rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (2, 2), (3, 3), (500, 1), (5, 9)])
def test_the_smallest_pictures_have_statistics(shape: tuple[int, int]) -> None:
    color = np.random.default_rng(0).integers(0, 65536, (*shape, 3)).astype(np.uint16)
    quality = measure(Picture(color=color))
    assert all(np.isfinite(value) for value in quality.model_dump().values())


def test_a_picture_of_two_colours_has_its_published_figure() -> None:
    """Half red, half blue: rg is 255 and 0, yb 127.5 and -255."""
    color = np.zeros((20, 20, 3), np.uint8)
    color[:10, :, 0], color[10:, :, 2] = 255, 255
    spread, mean = np.hypot(127.5, 191.25), np.hypot(127.5, -63.75)
    assert measure(Picture(color=color)).colourfulness == pytest.approx(spread + 0.3 * mean, rel=1e-6)


def test_quality_is_frozen_documented_and_ranged() -> None:
    assert len(FEATURES) == 10
    assert all(field.description for field in Quality.model_fields.values())
    quality = measure(Picture(color=np.zeros((4, 4, 1), np.uint8)))
    with pytest.raises(ValidationError):
        quality.entropy = 1.0
    with pytest.raises(ValidationError):
        Quality(**(quality.model_dump() | {"entropy": 9}))


def test_a_megapixel_is_measured_quickly(photo: NDArray[np.uint8]) -> None:
    picture = Picture(color=np.tile(photo, (2, 2, 1)))
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        measure(picture)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.1
