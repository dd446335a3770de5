"""The Upscaler: tiles that join without a trace, progress, cancelling, sizes, alpha, gray and 16 bits."""

import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from loupe.backends import Backend, Pixels, SelfEnsemble, TorchBackend, open_backend
from loupe.checkpoint import load_model
from loupe.errors import Cancelled, InvalidOption, PictureTooLarge
from loupe.images import Picture
from loupe.registry import list_models
from loupe.settings import Limits, Settings
from loupe.upscale import Progress, Upscaler, spans


class Nearest:
    """Enlarges by repeating pixels, and remembers the batches it was given."""

    name, version, scale, halo = "nearest_x2", "1", 2, 3

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.lock = threading.Lock()

    def __call__(self, batch: Pixels) -> Pixels:
        with self.lock:
            self.shapes.append(batch.shape)
        return batch.repeat(2, axis=2).repeat(2, axis=3)


def numbered(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> NDArray[np.uint8]:
    """Pixels that differ, so that one in a wrong place shows."""
    most = np.iinfo(dtype).max
    return (np.arange(height * width * channels) * 7919 % (most + 1)).astype(dtype).reshape(height, width, channels)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (5, 3), (16, 16), (33, 47), (64, 17)])
@pytest.mark.parametrize(("tile", "batch", "workers"), [(16, 1, 1), (16, 3, 2), (5, 4, 3), (500, 1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_pixel_comes_to_its_place(
    height: int, width: int, tile: int, batch: int, workers: int, dtype: type
) -> None:
    picture = Picture(color=numbered(height, width, dtype=dtype))
    larger = Upscaler(Nearest(), tile=tile, batch=batch, workers=workers).upscale(picture)
    np.testing.assert_array_equal(larger.color, picture.color.repeat(2, axis=0).repeat(2, axis=1))
    assert larger.color.dtype == dtype


@pytest.mark.parametrize("length", [1, 7, 8, 9, 40, 41, 100])
def test_spans_cover_once_with_windows_of_one_size_and_a_whole_halo(length: int) -> None:
    result = spans(length, 8, 3)
    assert [i for span in result for i in range(span.core.start, span.core.stop)] == list(range(length))
    assert len({span.window.stop - span.window.start for span in result}) == 1
    for span in result:
        assert span.window.start <= max(0, span.core.start - 3)
        assert span.window.stop >= min(length, span.core.stop + 3)


def test_tiles_of_one_picture_are_of_one_shape() -> None:
    backend = Nearest()
    Upscaler(backend, tile=16, batch=2).upscale(Picture(color=numbered(70, 90)))
    assert len({shape[1:] for shape in backend.shapes}) == 1
    assert max(shape[2] for shape in backend.shapes) <= 16 + 2 * 3


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[int, float]:
    error = a.astype(np.float64) - b
    mse = (error**2).mean()
    return int(np.abs(error).max()), float("inf") if mse == 0 else 10 * np.log10(255**2 / mse)


@pytest.mark.parametrize("info", list_models(Settings(), "enlarger"), ids=lambda info: info.name)
def test_tiles_join_without_a_trace_in_every_model_that_ships(info, photo: NDArray[np.uint8]) -> None:  # type: ignore[no-untyped-def]
    backend = open_backend("torch", info.name, Settings())
    picture = Picture(color=np.ascontiguousarray(photo[100:260, 130:330]))
    whole = Upscaler(backend, tile=1000).upscale(picture)
    tiled = Upscaler(backend, tile=48, batch=2).upscale(picture)
    largest, decibel = difference(tiled.color, whole.color)
    assert largest <= 2
    assert decibel > 60


def test_gray_stays_gray_and_alpha_is_enlarged_by_the_model(tiny_models: Path, photo: NDArray[np.uint8]) -> None:
    backend = open_backend("torch", "tiny_x4", Settings(models_dir=tiny_models))
    gray = photo[:40, :50, :1].copy()
    alpha = photo[:40, :50, 1].copy()
    larger = Upscaler(backend, tile=16).upscale(Picture(color=gray, alpha=alpha))
    assert larger.color.shape == (160, 200, 1)
    assert larger.alpha is not None
    same = Upscaler(backend, tile=16).upscale(Picture(color=alpha[:, :, None]))
    np.testing.assert_array_equal(larger.alpha, same.color[:, :, 0])


def test_an_opaque_alpha_costs_no_tile_and_stays_opaque() -> None:
    backend = Nearest()
    picture = Picture(color=numbered(20, 20), alpha=np.full((20, 20), 255, np.uint8))
    larger = Upscaler(backend, tile=32).upscale(picture)
    assert len(backend.shapes) == 1
    assert larger.alpha is not None
    assert (larger.alpha == 255).all()


def test_no_hidden_colour_bleeds_from_under_transparency(tiny_models: Path) -> None:
    backend = open_backend("torch", "tiny_x4", Settings(models_dir=tiny_models))
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :16] = (200, 30, 30)
    alpha = np.zeros((32, 32), np.uint8)
    alpha[:, :16] = 255
    hidden = red.copy()
    hidden[:, 16:] = (0, 255, 0)
    larger = [Upscaler(backend).upscale(Picture(color=color, alpha=alpha)) for color in (red, hidden)]
    np.testing.assert_array_equal(larger[0].color, larger[1].color)
    whole = np.broadcast_to(np.array([200, 30, 30], np.uint8), (32, 32, 3)).copy()
    everywhere = Upscaler(backend).upscale(Picture(color=whole))
    np.testing.assert_allclose(larger[1].color.astype(int), everywhere.color.astype(int), atol=1)


def test_progress_counts_every_tile_once() -> None:
    seen: list[Progress] = []
    Upscaler(Nearest(), tile=10, batch=2, workers=2).upscale(Picture(color=numbered(35, 25)), progress=seen.append)
    assert seen[0] == Progress(0, 12)
    assert seen[-1] == Progress(12, 12)
    assert [p.done for p in seen] == sorted({p.done for p in seen})


def test_cancel_stops_between_tiles() -> None:
    backend = Nearest()
    done = 0

    def progress(now: Progress) -> None:
        nonlocal done
        done = now.done

    with pytest.raises(Cancelled, match="stopped after 3 of 48 tiles"):
        Upscaler(backend, tile=10).upscale(
            Picture(color=numbered(80, 60)), progress=progress, cancelled=lambda: done >= 3
        )
    assert len(backend.shapes) == 3


def test_an_error_of_the_backend_ends_the_work() -> None:
    class Broken(Nearest):
        def __call__(self, batch: Pixels) -> Pixels:
            if len(self.shapes) == 4:
                raise RuntimeError("out of memory")
            return super().__call__(batch)

    backend = Broken()
    with pytest.raises(RuntimeError, match="out of memory"):
        Upscaler(backend, tile=10, workers=2).upscale(Picture(color=numbered(80, 60)))
    assert len(backend.shapes) < 10


def test_exact_size_by_a_downscale_after_the_factor(photo: NDArray[np.uint8]) -> None:
    picture = Picture(color=np.ascontiguousarray(photo[:60, :80]))
    upscaler = Upscaler(Nearest())
    for asked, size in (
        ({"width": 100}, (75, 100)),
        ({"height": 90}, (90, 120)),
        ({"width": 160, "height": 7}, (7, 160)),
        ({"width": 1}, (1, 1)),
    ):
        larger = upscaler.upscale(picture, **asked)
        assert (larger.height, larger.width) == size
    mean = upscaler.upscale(picture, width=150).color.mean()
    assert mean == pytest.approx(picture.color.mean(), abs=1)


@pytest.mark.parametrize("asked", [{"width": 0}, {"width": 161}, {"height": 121}, {"height": -4}])
def test_a_size_beyond_the_factor_is_refused(asked: dict[str, int]) -> None:
    backend = Nearest()
    with pytest.raises(InvalidOption, match=r"got -?\d+, expected 1 to 1[26]0"):
        Upscaler(backend).upscale(Picture(color=numbered(60, 80)), **asked)  # type: ignore[arg-type]
    assert not backend.shapes


def test_a_result_over_the_limit_is_refused_before_any_work() -> None:
    backend = Nearest()
    with pytest.raises(PictureTooLarge, match="expected at most 4799"):
        Upscaler(backend, limits=Limits(max_pixels_out=4799)).upscale(Picture(color=numbered(30, 40)))
    assert not backend.shapes


def test_metadata_travels() -> None:
    picture = Picture(color=numbered(4, 4), icc=b"profile", exif=b"exif", format="JPEG", notes=("said",))
    larger = Upscaler(Nearest()).upscale(picture)
    assert replace(larger, color=picture.color) == picture


def test_self_ensemble_is_the_mean_of_eight_and_equivariant(tiny_models: Path, photo: NDArray[np.uint8]) -> None:
    model, info = load_model(tiny_models / "tiny_x2.safetensors")
    backend: Backend = SelfEnsemble(TorchBackend(model, info, device="cpu"))
    x = photo[:24, :30].transpose(2, 0, 1)[None].astype(np.float32) / 255
    y = backend(x)
    assert y.shape == (1, 3, 48, 60)
    turned = backend(np.ascontiguousarray(np.rot90(x, 1, axes=(2, 3))))
    np.testing.assert_allclose(np.rot90(turned, -1, axes=(2, 3)), y, atol=1e-5)


def test_memory_beyond_the_pictures_is_that_of_the_tiles() -> None:
    picture = Picture(color=numbered(1500, 2000))
    upscaler = Upscaler(Nearest(), tile=100, workers=2)
    tracemalloc.start()
    larger = upscaler.upscale(picture)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    beyond = peak - larger.color.nbytes
    assert larger.color.nbytes == 36_000_000
    assert beyond < 8_000_000  # a float tile of 212x212x3 is 0.5 MB, and each of two workers has a few
