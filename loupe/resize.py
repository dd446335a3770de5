"""A picture at an exact size, antialiased: the last step after a model's whole factor.

    smaller = resize(picture, 1920, 1080)

Lanczos with three lobes, by Pillow, in floating point (its 8-bit way clips between the two directions), one band of
rows and one channel at a time, so memory is bounded by the band. Colour is weighted by alpha.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loupe.colour import Samples
from loupe.errors import InvalidOption
from loupe.images import Picture

_BAND_PIXELS = 2**22  # of source and result together, that are in memory as floats
_LOBES = 3.0  # reach of Pillow's LANCZOS, in pixels of the smaller of the two grids


def resize(picture: Picture, width: int, height: int) -> Picture:
    """The picture at width x height, with everything else of it kept. Raises InvalidOption below 1x1."""
    if width < 1 or height < 1:
        raise InvalidOption(f"size: got {width}x{height}, expected at least 1x1")
    if (width, height) == (picture.width, picture.height):
        return picture
    color = np.empty((height, width, picture.color.shape[2]), picture.color.dtype)
    alpha = None if picture.alpha is None else np.empty((height, width), picture.alpha.dtype)
    step = max(1, _BAND_PIXELS // (width + picture.width * max(1, picture.height // height)))
    for top in range(0, height, step):
        band = _Band(picture.height, height, top, min(top + step, height), width)
        source = picture.color[band.rows]
        if picture.alpha is None or alpha is None:
            _resize_plain(source, color[top : band.bottom], band)
        else:
            target = color[top : band.bottom], alpha[top : band.bottom]
            _resize_weighted(source, picture.alpha[band.rows], *target, band)
    return replace(picture, color=color, alpha=alpha)


class _Band:
    """Which rows of the source make rows ``top``..``bottom`` of the result, and how."""

    def __init__(self, source_height: int, height: int, top: int, bottom: int, width: int) -> None:
        ratio = source_height / height
        reach = _LOBES * max(ratio, 1.0) + 1.0
        first = max(0, int(top * ratio - reach))
        self.bottom = bottom
        self.rows = slice(first, min(source_height, int(np.ceil(bottom * ratio + reach))))
        self.size = width, bottom - top
        self.edges = top * ratio - first, min(bottom * ratio - first, self.rows.stop - first)

    def __call__(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, W) -> (bottom - top, width), not clipped."""
        box = (0, self.edges[0], plane.shape[1], self.edges[1])
        return np.asarray(Image.fromarray(plane).resize(self.size, Image.Resampling.LANCZOS, box))


def _resize_plain(source: Samples, target: Samples, band: _Band) -> None:
    for channel in range(source.shape[2]):
        target[..., channel] = _whole(band(source[..., channel].astype(np.float32)), source.dtype)


def _resize_weighted(color: Samples, alpha: Samples, color_out: Samples, alpha_out: Samples, band: _Band) -> None:
    """Colour counts as much as it is visible; where the result is next to invisible, all count alike."""
    cover = alpha.astype(np.float32) / np.float32(np.iinfo(alpha.dtype).max)
    shown = band(cover)
    alpha_out[:] = _whole(shown * np.float32(np.iinfo(alpha.dtype).max), alpha.dtype)
    visible = shown > 1 / 255
    for channel in range(color.shape[2]):
        plane = color[..., channel].astype(np.float32)
        result = band(plane)
        weighted = band(plane * cover)
        result = np.divide(weighted, shown, out=result.copy(), where=visible)
        color_out[..., channel] = _whole(result, color.dtype)


def _whole(values: NDArray[np.float32], dtype: np.dtype[np.uint8 | np.uint16]) -> Samples:
    rounded: Samples = np.rint(values).clip(0, np.iinfo(dtype).max).astype(dtype)
    return rounded
