"""Colours for pixels that nobody sees, so that enlarging does not pull hidden black or green into the edge.

    color = fill_under(color, alpha)

A pull-push pyramid (Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4): average what is visible into ever
smaller pictures, then fill each hole from the next smaller one. Visible pixels are not touched. All steps
work in bands of rows, so beside the result there are only the smaller pictures: a third of a float copy.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loupe.colour import Samples

_BAND = 256  # rows at a time; even


def fill_under(color: Samples, alpha: Samples) -> Samples:
    """(H, W, C) and (H, W) of one dtype -> a new (H, W, C), changed only where alpha is 0.

    There the colour becomes that of the surroundings, weighted by how visible they are. Returns ``color``
    itself when nothing is hidden or nothing is visible.
    """
    if alpha.all() or not alpha.any():
        return color
    levels = [_first_level(color, alpha)]
    while max(levels[-1][1].shape) > 1:
        levels.append(_half(*levels[-1]))
    filled = levels.pop()[0]
    while levels:
        mean, weight = levels.pop()
        for top, bottom, above in _doubled_bands(filled, *weight.shape):
            share = weight[top:bottom, :, None]
            mean[top:bottom] = share * mean[top:bottom] + (1 - share) * above
        filled = mean
    result = color.copy()
    for top, bottom, above in _doubled_bands(filled, *alpha.shape):
        hidden = alpha[top:bottom] == 0
        result[top:bottom][hidden] = np.rint(above[hidden]).astype(color.dtype)
    return result


def _first_level(color: Samples, alpha: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The half-size picture: means of what is visible in each 2x2, and how much of it there is, 0..1."""
    height, width, channels = color.shape
    shape = (height + 1) // 2, (width + 1) // 2
    mean, weight = np.empty((*shape, channels), np.float32), np.empty(shape, np.float32)
    scale = np.float32(1 / np.iinfo(alpha.dtype).max)
    for top in range(0, height, _BAND):
        rows = slice(top // 2, (min(top + _BAND, height) + 1) // 2)
        cover = alpha[top : top + _BAND].astype(np.float32) * scale
        mean[rows], weight[rows] = _half(color[top : top + _BAND].astype(np.float32), cover)
    return mean, weight


def _half(mean: NDArray[np.float32], weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pull: (H, W, C), (H, W) -> half of both sides, rounded up; a weight of 1 is as much as counts."""
    total = _sum_of_four(weight)
    whole = _sum_of_four(mean * weight[..., None])
    whole /= np.maximum(total, np.float32(1e-12))[..., None]
    return whole, np.minimum(total, np.float32(1))


def _sum_of_four(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, ...) -> the sums of its 2x2 blocks; what lies outside is 0."""
    height, width = values.shape[:2]
    if height % 2 or width % 2:
        values = np.pad(values, [(0, height % 2), (0, width % 2)] + [(0, 0)] * (values.ndim - 2))
    rows = values[::2] + values[1::2]
    total: NDArray[np.float32] = rows[:, ::2] + rows[:, 1::2]
    return total


def _doubled_bands(
    values: NDArray[np.float32], height: int, width: int
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Push: (h, w, C) at (height, width), twice the size or one less, bilinear: top, bottom, rows of each band."""
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        first = max(top // 2 - 1, 0)  # one row above and one below take part
        rows = _double_rows(values[first : bottom // 2 + 2], bottom - 2 * first)[top - 2 * first :]
        yield top, bottom, _double_rows(rows.swapaxes(0, 1), width).swapaxes(0, 1)


def _double_rows(values: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    above = np.concatenate((values[:1], values[:-1]))
    below = np.concatenate((values[1:], values[-1:]))
    result = np.empty((2 * values.shape[0], *values.shape[1:]), np.float32)
    result[::2] = values * np.float32(0.75) + above * np.float32(0.25)
    result[1::2] = values * np.float32(0.75) + below * np.float32(0.25)
    return result[:height]
