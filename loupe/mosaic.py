"""A photo of any size drawn larger, tile by tile, with no seams.

    picture, entropy = draw_photo(sampler, lr, choice=Choice(seed=3), on_tile=show)

Tiles go in raster order and each sees the pixels already drawn to its left and above, so it goes on where they
ended. Tiles on one anti-diagonal do not see each other and run as one batch; where their windows reach over the edge
of the photo, the network sees what it sees beyond any border: nothing. The conditioning network sees the whole photo.
Random numbers belong to places in the photo, not to tiles.
"""

from collections.abc import Callable, Iterator

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


def plan_waves(rows: int, columns: int) -> Iterator[list[tuple[int, int]]]:
    """Anti-diagonals of a grid of tiles, (row, column), at most ``MOST`` at once."""
    for wave in range(rows + columns - 1):
        tiles = [(row, wave - row) for row in range(max(0, wave - columns + 1), min(rows, wave + 1))]
        yield from (tiles[begin : begin + MOST] for begin in range(0, len(tiles), MOST))


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
    rows, columns = -(-height // tile), -(-width // tile)
    context = min(context, prior_reach(model.config))
    below, beside = rows * tile - height, columns * tile - width  # the last tiles reach over the edge
    features = F.pad(conditioning_features(model, lr), (0, beside, 0, below))
    uniforms = draw_uniforms(seed=choice.seed, samples=1, height=height, width=width)[0]
    uniforms = np.pad(uniforms, ((0, below), (0, beside), (0, 0)))
    board = np.zeros((context + rows * tile, context + columns * tile, 3), np.uint8)
    inside = np.zeros(board.shape[:2], bool)
    here = slice(context, context + height), slice(context, context + width)
    inside[here] = True
    bits = np.zeros(board.shape[:2], np.float32)
    known = np.ones((context + tile, context + tile), bool)
    known[context:, context:] = False
    done = 0
    for tiles in plan_waves(rows, columns):
        windows = [_square(row * tile, column * tile, context + tile) for row, column in tiles]
        places = [_square(row * tile, column * tile, tile) for row, column in tiles]
        lanes = Lanes(
            _logits(model, torch.stack([features[:, *place] for place in places])),
            np.arange(len(tiles)),
            np.stack([uniforms[place] for place in places]),
            np.stack([board[window] for window in windows]),
            known,
            np.stack([inside[window] for window in windows]),
            (context, context),
        )
        drawn_bits = draw_lanes(sampler.flat, lanes, choice)
        for window, picture, bit in zip(windows, lanes.pictures, drawn_bits, strict=True):
            board[window][~known], bits[window][~known] = picture[~known], bit[~known]
        done += len(tiles)
        if on_tile is not None:
            on_tile(done, rows * columns, board[here])
    return board[here].copy(), bits[here].copy()


def _square(top: int, first: int, side: int) -> tuple[slice, slice]:
    return slice(top, top + side), slice(first, first + side)


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
