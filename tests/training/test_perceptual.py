"""Fingerprints of real photos: their copies are near, other photos far."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from loupe.images import Picture, decode
from training.perceptual import Fingerprint, distance, find_alike, fingerprint


def of(image: Image.Image) -> Fingerprint:
    return fingerprint(Picture(color=np.atleast_3d(np.asarray(image))))


def as_jpeg(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=30)
    return Image.open(data)


@pytest.mark.parametrize(
    "change",
    [
        as_jpeg,
        lambda image: image.resize((image.width // 3, image.height // 3), Image.Resampling.BICUBIC),
        lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST),
        lambda image: image.point(lambda level: level * 0.8 + 20),
        lambda image: image.convert("L"),
    ],
    ids=["jpeg", "smaller", "larger", "light", "gray"],
)
def test_copies_are_alike_and_others_are_not(change, photos: Path) -> None:  # type: ignore[no-untyped-def]
    images = [Image.open(path) for path in sorted(photos.iterdir())]
    prints = [of(image) for image in images] + [of(change(image)) for image in images]
    count = len(images)
    assert find_alike(prints) == [(index, index + count) for index in range(count)]
    assert min(distance(prints[i], prints[j]) for i in range(count) for j in range(i)) > 15


def test_depth_does_not_matter(photo: NDArray[np.uint8]) -> None:
    deep = fingerprint(Picture(color=photo.astype(np.uint16) * 257))
    assert distance(deep, fingerprint(Picture(color=photo))) == 0


def test_one_portrait_is_not_another(shared: Path) -> None:
    """Aligned faces, some of which have near hashes: the thumbnails tell them apart."""
    paths = sorted((shared / "eval" / "faces200").rglob("*.jpg"))[:200]
    prints = [fingerprint(decode(path.read_bytes())) for path in paths]
    assert len(find_alike(prints)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (31, 33), (33, 70)])
def test_any_size_and_no_texture(shape: tuple[int, int]) -> None:
    flat = fingerprint(Picture(color=np.full((*shape, 3), 77, np.uint8)))
    assert np.isfinite(flat.thumbnail).all()
    assert find_alike([flat, flat]) == [], "flat pictures have nothing in common"


def test_thousands_take_a_moment() -> None:
    rng = np.random.default_rng(0)
    thumbnails = rng.normal(size=(5000, 1024)).astype(np.float32)
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True)
    hashes = rng.integers(0, 2**64, 5000, dtype=np.uint64)
    prints = [Fingerprint(int(h), t) for h, t in zip(hashes, thumbnails, strict=True)]
    prints[4999] = Fingerprint(prints[7].hash ^ 0b1011, prints[7].thumbnail)
    begin = time.perf_counter()
    assert find_alike(prints) == [(7, 4999)]
    assert time.perf_counter() - begin < 5
