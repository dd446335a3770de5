"""The statistics of one picture: what training samples by, evaluation slices by and serving watches for drift.

    quality = measure(decode(data))
    quality.noise_sigma, quality.blockiness, quality.model_dump()

One definition for all of them. Levels are 0..255 whatever the depth; luma is 0.299 R + 0.587 G + 0.114 B (ITU-R
BT.601, full range, in the picture's own colour space); alpha is ignored. Pictures are read in bands of rows at full
size, so the memory needed does not grow with the height.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from loupe.colour import Samples
from loupe.images import Picture

BAND = 256  # rows at a time; a multiple of GRID and BLOCK
GRID = 8  # JPEG codes squares of 8x8
BLOCK = 32  # side of the squares whose noise is estimated one by one
QUIET = 0.1  # noise is that of the block that a tenth of the blocks are quieter than: the others hold texture
CLIPPED = 0.02  # a block with a larger share of samples at black or white hides its noise
EDGE = 16.0  # levels a pixel from which a slope is an edge: a step of 32 levels over two pixels
FAINT = 0.1  # levels added to both sides of the blockiness ratio: a flat picture has 1, not 0/0

Plane = NDArray[np.float32]


class Quality(BaseModel):
    """Of one picture. Where there is no neighbour to compare with (a side below 3), there is no noise, edge or blur."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    light_mean: float = Field(ge=0, le=255, description="mean of luma")
    light_spread: float = Field(ge=0, le=127.5, description="standard deviation of luma; below 2 it is flat to the eye")
    noise_sigma: float = Field(
        ge=0,
        description="standard deviation of noise in luma, in levels, to within 15% from 2 to 25; Immerkaer, Fast Noise "
        "Variance Estimation, CVIU 1996, per 32x32 block, lower decile of the blocks that are not clipped",
    )
    sharpness: float = Field(
        ge=0,
        description="variance of luma under the kernel 0 1 0, 1 -4 1, 0 1 0, in squared levels; below 100 it looks "
        "soft; noise of sigma s adds 20 s^2; Pech-Pacheco et al., Diatom autofocusing, ICPR 2000",
    )
    blockiness: float = Field(
        ge=0,
        description="mean step of luma across the 8x8 grid from the upper left corner, divided by the mean step "
        "elsewhere; 1: no blocks; after Wang, Sheikh and Bovik, No-reference quality of JPEG, ICIP 2002",
    )
    colourfulness: float = Field(
        ge=0,
        description="0 gray, 15 slightly, 45 averagely, 82 highly colourful, 109 extremely; "
        "Hasler and Suesstrunk, Measuring colourfulness in natural images, SPIE 5007, 2003",
    )
    entropy: float = Field(ge=0, le=8, description="bits a pixel: Shannon's, of the 256 levels of luma")
    edge_density: float = Field(
        ge=0, le=1, description="share of pixels with a slope (Sobel's, normalised) of 16 levels a pixel or more"
    )
    width: int = Field(ge=1, description="pixels, upright")
    height: int = Field(ge=1, description="pixels, upright")


FEATURES = tuple(Quality.model_fields)


def measure(picture: Picture) -> Quality:
    """The statistics of ``picture``; about 25 ms a megapixel on one core."""
    color = picture.color
    sums = _Sums(width=picture.width)
    for own, rows in _bands(picture.height):
        sums.add(color[rows], own, first=rows.start)
    pixels = picture.width * picture.height
    mean, variance = _moments(sums.light, sums.light_squares, pixels)
    share = sums.histogram[sums.histogram > 0] / pixels
    _, sharpness = _moments(sums.laplace, sums.laplace_squares, sums.inner)
    return Quality(
        light_mean=min(mean, 255.0),
        light_spread=min(variance**0.5, 127.5),
        noise_sigma=sums.noise(),
        sharpness=sharpness,
        blockiness=sums.blockiness(),
        colourfulness=sums.colourfulness(pixels),
        entropy=max(0.0, float(-(share * np.log2(share)).sum())),
        edge_density=sums.edges / max(sums.inner, 1),
        width=picture.width,
        height=picture.height,
    )


def luma(color: Samples) -> Plane:
    """(H,W,3 or 1) uint8 or uint16 -> (H,W) float32 in 0..255."""
    scale = 255.0 / float(np.iinfo(color.dtype).max)
    if color.shape[2] == 1:
        return color[..., 0].astype(np.float32) * np.float32(scale)
    result = color[..., 0] * np.float32(0.299 * scale)
    result += color[..., 1] * np.float32(0.587 * scale)
    result += color[..., 2] * np.float32(0.114 * scale)
    return result


def _bands(height: int) -> Iterator[tuple[int, slice]]:
    """How many rows are a band's own, and which rows it reads: two more, for neighbours below, where there are any."""
    for first in range(0, height, BAND):
        own = min(BAND, height - first)
        yield own, slice(first, min(first + own + 2, height))


def _moments(total: float, squares: float, count: int) -> tuple[float, float]:
    """Mean and variance of ``count`` numbers from their sum and the sum of their squares."""
    if count == 0:
        return 0.0, 0.0
    mean = total / count
    return mean, max(0.0, squares / count - mean**2)


@dataclass
class _Sums:
    """What the bands add up to."""

    width: int
    light: float = 0.0
    light_squares: float = 0.0
    laplace: float = 0.0
    laplace_squares: float = 0.0
    inner: int = 0  # pixels with all eight neighbours
    edges: int = 0
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    opponents: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))  # red-green, yellow-blue
    steps: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))  # (off, on the grid): sum, count
    blocks: list[NDArray[np.float64]] = field(default_factory=list)  # (count, 2): noise, share of clipped samples

    def add(self, color: Samples, own: int, *, first: int) -> None:
        light = luma(color)
        self._add_light(light[:own])
        if color.shape[2] == 3:
            self._add_colour(color[:own])
        self._add_steps(np.abs(np.diff(light[:own], axis=1)).sum(0, dtype=np.float64), own, 0)
        self._add_steps(np.abs(np.diff(light[: own + 1], axis=0)).sum(1, dtype=np.float64), self.width, first)
        if min(light.shape) >= 3:
            self._add_neighbours(light)
            self._add_noise(light)

    def _add_light(self, light: Plane) -> None:
        self.light += float(light.sum(dtype=np.float64))
        self.light_squares += float(np.square(light, dtype=np.float64).sum())
        self.histogram += np.bincount((light + np.float32(0.5)).astype(np.uint8).ravel(), minlength=256)

    def _add_colour(self, color: Samples) -> None:
        scale = np.float32(255.0 / float(np.iinfo(color.dtype).max))
        red, green, blue = (color[..., channel] * scale for channel in range(3))
        for row, opponent in enumerate((red - green, (red + green) * np.float32(0.5) - blue)):
            self.opponents[row] += opponent.sum(dtype=np.float64), np.square(opponent, dtype=np.float64).sum()

    def _add_steps(self, steps: NDArray[np.float64], length: int, first: int) -> None:
        """``steps[i]`` lies between rows (or columns) first+i and first+i+1, and is the sum of ``length`` of them."""
        on = (np.arange(first + 1, first + 1 + len(steps)) % GRID) == 0
        for row, chosen in enumerate((steps[~on], steps[on])):
            self.steps[row] += chosen.sum(), len(chosen) * length

    def _add_neighbours(self, light: Plane) -> None:
        """The Laplacian's moments and Sobel's edges over pixels that have eight neighbours."""
        middle = light[1:-1, 1:-1]
        laplace = light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:] - 4 * middle
        self.laplace += float(laplace.sum(dtype=np.float64))
        self.laplace_squares += float(np.square(laplace, dtype=np.float64).sum())
        self.inner += laplace.size
        across, down = light[:, 2:] - light[:, :-2], light[2:] - light[:-2]
        across = across[:-2] + 2 * across[1:-1] + across[2:]
        down = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
        self.edges += int(np.count_nonzero(across**2 + down**2 >= (8 * EDGE) ** 2))

    def _add_noise(self, light: Plane) -> None:
        """Immerkaer's estimate for each whole block; for the whole of a picture that is smaller than one."""
        twice = light[:-2] - 2 * light[1:-1] + light[2:]
        response = np.abs(twice[:, :-2] - 2 * twice[:, 1:-1] + twice[:, 2:])
        middle = light[1:-1, 1:-1]
        clipped = (middle < 0.5) | (middle > 254.5)
        height, width = (min(side, BLOCK) for side in response.shape)
        if height < BLOCK and self.blocks:
            return  # the rest below the last whole blocks
        rows, columns = response.shape[0] // height, response.shape[1] // width

        def of_blocks(plane: NDArray[np.float32 | np.bool_]) -> NDArray[np.float64]:
            cut = plane[: rows * height, : columns * width].reshape(rows, height, columns, width)
            means: NDArray[np.float64] = cut.mean((1, 3), dtype=np.float64)
            return means.ravel()

        self.blocks.append(np.stack([of_blocks(response) * (np.pi / 2) ** 0.5 / 6, of_blocks(clipped)], axis=1))

    def noise(self) -> float:
        if not self.blocks:
            return 0.0
        blocks = np.concatenate(self.blocks)
        honest = blocks[blocks[:, 1] <= CLIPPED, 0]
        return float(np.quantile(honest if len(honest) else blocks[:, 0], QUIET))

    def blockiness(self) -> float:
        (off, off_count), (on, on_count) = self.steps
        if off_count == 0 or on_count == 0:
            return 1.0
        return float((on / on_count + FAINT) / (off / off_count + FAINT))

    def colourfulness(self, pixels: int) -> float:
        moments = [_moments(float(total), float(squares), pixels) for total, squares in self.opponents]
        spread = sum(variance for _, variance in moments) ** 0.5
        distance = sum(mean**2 for mean, _ in moments) ** 0.5
        return float(spread + 0.3 * distance)
