"""Slices hold the pictures that they are for: real photos, made darker, noisy, blocky, flat."""

import numpy as np
import pytest
from numpy.typing import NDArray

from loupe.images import Picture, decode, encode
from loupe.quality import measure
from loupe.slices import SLICES, slices_of


def slices(color: NDArray[np.uint8]) -> set[str]:
    return set(slices_of(measure(Picture(color=color))))


def test_an_ordinary_photo_is_in_none(photo: NDArray[np.uint8]) -> None:
    assert slices(photo) == set()


def test_light(photo: NDArray[np.uint8]) -> None:
    assert slices(photo // 3) >= {"dark"}
    assert slices((photo // 3 + 170).astype(np.uint8)) >= {"bright"}


def test_noise_and_blocks(photo: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(1).normal(0, 12, photo.shape)
    assert "noisy" in slices((photo + noise).clip(0, 255).astype(np.uint8))
    jpeg = decode(encode(Picture(color=photo), "JPEG", quality=40)).color.astype(np.uint8)
    assert slices(jpeg) == {"blocky"}


def test_texture_and_colour(photo: NDArray[np.uint8]) -> None:
    rows, columns = np.mgrid[0:256, 0:256]
    ramp = np.stack([rows * 0.3 + 60] * 3, -1).astype(np.uint8)
    assert slices(ramp) >= {"soft", "flat", "gray"}
    board = ((rows // 4 + columns // 4) % 2 * 160 + 40).astype(np.uint8)
    assert slices(np.stack([board] * 3, -1)) >= {"textured", "gray"}


@pytest.mark.parametrize("name", SLICES)
def test_each_says_what_it_is(name: str) -> None:
    assert len(SLICES[name].told) > 20
