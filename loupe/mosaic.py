"""A photo of any size drawn larger, tile by tile, with no seams.

    picture, entropy = draw_photo(sampler, lr, choice=Choice(seed=3), on_tile=show)

Tiles go in raster order and each sees the pixels already drawn to its left and above, so it goes on where they
ended. Tiles on one anti-diagonal do not see each other and run as one batch. The conditioning network sees the whole
photo. Random numbers belong to places in the photo, not to tiles.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from loupe.choosing import Choice, draw_uniforms
from loupe.drawing import Bytes
from loupe.errors import InvalidOption
from loupe.models.pixel_recursive import PixelRecursive, centred, conditioning_reach, prior_reach, split_colours
from loupe.sampling import Lanes, Sampler, draw_lanes

TILE = 32  # high-resolution pixels, as in training
CONTEXT = 16  # pixels to the left and above that a tile sees at most
STRIP = 32  # low-resolution rows that the conditioning network takes at once
MOST = 64  # tiles drawn side by side

OnTile = Callable[[int, int, Bytes], None]


class Tile(NamedTuple):
    """High-resolution pixels; ``left`` and ``above``: how many of them it sees beside it."""

    top: int
    bottom: int
    first: int
    last: int
    above: int
    left: int

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.top - self.above, self.bottom), slice(self.first - self.left, self.last)

    @property
    def inside(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.first, self.last)


def plan_waves(height: int, width: int, tile: int, context: int) -> Iterator[list[Tile]]:
    """Batches of tiles of one shape, in an order in which each sees what it needs."""
    rows, columns = -(-height // tile), -(-width // tile)
    for wave in range(rows + columns - 1):
        shapes: dict[tuple[int, int, int, int], list[Tile]] = defaultdict(list)
        for row in range(max(0, wave - columns + 1), min(rows, wave + 1)):
            top, first = row * tile, (wave - row) * tile
            bottom, last = min(top + tile, height), min(first + tile, width)
            one = Tile(top, bottom, first, last, min(top, context), min(first, context))
            shapes[bottom - top, last - first, one.above, one.left].append(one)
        for alike in shapes.values():
            yield from (alike[begin : begin + MOST] for begin in range(0, len(alike), MOST))


@torch.no_grad()
def draw_photo(
    sampler: Sampler,
    lr: Tensor,
    *,
    choice: Choice | None = None,
    tile: int = TILE,
    context: int = CONTEXT,
    on_tile: OnTile | None = None,
) -> tuple[Bytes, NDArray[np.float32]]:
    """lr (3,h,w) in [0,1] -> (H,W,3) uint8 and the entropy (H,W) in bits a pixel.

    ``on_tile(done, of, picture)`` is called after each batch of tiles. Raises InvalidOption for a tile below 1 pixel.
    """
    if tile < 1 or context < 0:
        raise InvalidOption(f"tile and context: got {tile} and {context}, expected 1 or more and 0 or more")
    choice, model = choice or Choice(), sampler.model
    height, width = (side * sampler.scale for side in lr.shape[-2:])
    context = min(context, prior_reach(model.config))
    features = conditioning_features(model, lr)
    uniforms = draw_uniforms(seed=choice.seed, samples=1, height=height, width=width)[0]
    picture, entropy = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.float32)
    done, total = 0, -(-height // tile) * -(-width // tile)
    for tiles in plan_waves(height, width, tile, context):
        above, left = tiles[0].above, tiles[0].left
        windows = np.stack([picture[one.window] for one in tiles])
        known = np.ones(windows.shape[1:3], bool)
        known[above:, left:] = False
        lanes = Lanes(
            _logits(model, torch.stack([features[:, *one.inside] for one in tiles])),
            np.arange(len(tiles)),
            np.stack([uniforms[one.inside] for one in tiles]),
            windows,
            known,
            (above, left),
        )
        bits = draw_lanes(sampler.flat, lanes, choice)
        for one, window, bit in zip(tiles, windows, bits, strict=True):
            picture[one.inside], entropy[one.inside] = window[above:, left:], bit[above:, left:]
        done += len(tiles)
        if on_tile is not None:
            on_tile(done, total, picture)
    return picture, entropy


@torch.no_grad()
def conditioning_features(model: PixelRecursive, lr: Tensor) -> Tensor:
    """(3,h,w) in [0,1] -> (features,H,W), strip by strip: what the conditioning network's logits are made of."""
    scale, reach, height = model.config.scale, conditioning_reach(model.config), lr.shape[-2]
    x, strips = centred(lr.to(model.prior.logits.weight.dtype))[None], []
    for top in range(0, height, STRIP):
        begin, bottom = max(0, top - reach), min(height, top + STRIP)
        body = model.conditioning.body(x[:, :, begin : bottom + reach])
        strips.append(body[0, :, (top - begin) * scale : (bottom - begin) * scale])
    return torch.cat(strips, 1)


def _logits(model: PixelRecursive, features: Tensor) -> NDArray[np.float32]:
    """(M,features,H,W) -> (H,W,3,256,M)."""
    logits = split_colours(model.conditioning.logits(F.relu(features)))
    return np.ascontiguousarray(logits.permute(3, 4, 1, 2, 0).numpy())
