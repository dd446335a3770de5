"""Drawing pictures with a pixel recursive model.

    sampler = Sampler(model)
    drawn = sampler.draw(lr, samples=6, choice=Choice(seed=3), on_row=show)
    drawn.pictures      # (M,6,H,W,3) uint8
    drawn.entropy       # (M,6,H,W) float32: bits in which each pixel was uncertain, 0 to 24

``Given`` completes a picture: known pixels are kept and all others drawn in raster order. That is exact when all that
is known comes before all that is not (the upper half); else what is below or to the right of a pixel does not
influence it but through the low-resolution picture: approximate. ``draw_naively`` is the reference.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loupe.choosing import Choice, Floats, choose, draw_uniforms, entropy_bits
from loupe.drawing import Bytes, Given
from loupe.errors import InvalidOption
from loupe.incremental import Flat, Steps, flatten
from loupe.models.pixel_recursive import PixelRecursive, centred, nats, split_colours
from loupe.threads import one_thread

OnRow = Callable[[int, Bytes], None]
LANES = 16  # pictures are drawn in multiples of this many: then one's result does not depend on how many there are


@dataclass(frozen=True)
class Drawn:
    """``pictures`` (M,S,H,W,3) uint8, ``entropy`` (M,S,H,W) float32 in bits a pixel; zero where a pixel was given."""

    pictures: Bytes
    entropy: NDArray[np.float32]


@dataclass(frozen=True)
class Lanes:
    """What is drawn side by side: lane n is over ``conditioning[..., owner[n]]`` with its own random numbers."""

    conditioning: Floats  # (H,W,3,256,M)
    owner: NDArray[np.int64]  # (N,)
    uniforms: NDArray[np.float64]  # (N,H,W,3)
    pictures: Bytes  # (N,H,W,3): what is known is in it, the rest is drawn into it
    known: NDArray[np.bool_]  # (H,W)
    inside: NDArray[np.bool_] | None = None  # (N,H,W): where there is a picture, if not everywhere
    origin: tuple[int, int] = (0, 0)  # where conditioning and uniforms begin: all before it is known


class Sampler:
    """A model made ready for drawing. Thread-safe: drawing changes nothing in it."""

    def __init__(self, model: PixelRecursive) -> None:
        self.model = model.eval()
        self.scale = model.config.scale
        self.flat: Flat = flatten(model)

    def draw(
        self,
        lr: Tensor,
        *,
        samples: int = 1,
        choice: Choice | None = None,
        given: Given | None = None,
        on_row: OnRow | None = None,
    ) -> Drawn:
        """lr (M,3,h,w) in [0,1]. ``on_row(y, pictures)`` is called after each row; the pictures so far are (M,S,H,W,3).

        Raises InvalidOption for a number of samples below 1 or something given of another size.
        """
        choice = choice or Choice()
        lanes = prepare(self.model, lr, samples, choice, given)
        shape = (len(lr), samples, *lanes.pictures.shape[1:])
        entropy = draw_lanes(
            self.flat, lanes, choice, on_row and (lambda y, pictures: on_row(y, pictures.reshape(shape)))
        )
        return Drawn(lanes.pictures.reshape(shape), entropy.reshape(shape[:-1]))


@torch.no_grad()
def conditioning_logits(model: PixelRecursive, lr: Tensor) -> Floats:
    """(M,3,h,w) in [0,1] -> (H,W,3,256,M): A(x), once for all samples of a picture."""
    logits = [model.conditioning(centred(one[None])) for one in lr.to(model.prior.logits.weight.dtype)]
    return np.ascontiguousarray(split_colours(torch.cat(logits)).permute(3, 4, 1, 2, 0).numpy())


def prepare(model: PixelRecursive, lr: Tensor, samples: int, choice: Choice, given: Given | None) -> Lanes:
    """Lanes for ``samples`` of each of the pictures, in this order. Raises InvalidOption."""
    if samples < 1:
        raise InvalidOption(f"samples: got {samples}, expected 1 or more")
    height, width = (side * model.config.scale for side in lr.shape[-2:])
    count = len(lr) * samples
    pictures, known = np.zeros((count, height, width, 3), np.uint8), np.zeros((height, width), bool)
    if given is not None:
        if given.picture.shape != (height, width, 3) or given.known.shape != (height, width):
            got = f"{given.picture.shape} and {given.known.shape}"
            raise InvalidOption(f"given: got {got}, expected {(height, width, 3)} and {(height, width)}")
        known = given.known
        pictures[:, known] = given.picture[known]
    uniforms = draw_uniforms(seed=choice.seed, samples=samples, height=height, width=width)
    return Lanes(
        conditioning_logits(model, lr),
        np.repeat(np.arange(len(lr)), samples),
        np.tile(uniforms, (len(lr), 1, 1, 1)),
        pictures,
        known,
    )


@torch.no_grad()
@one_thread()
def draw_lanes(flat: Flat, lanes: Lanes, choice: Choice, on_row: OnRow | None = None) -> NDArray[np.float32]:
    """Fill ``lanes.pictures`` and return the entropy, (N,H,W)."""
    count, height, width = lanes.pictures.shape[:3]
    entropy = np.zeros((count, height, width), np.float32)
    padded = -(-count // LANES) * LANES
    inside = np.ones((height, width, padded), flat.first_left.dtype)
    if lanes.inside is not None:
        inside[:, :, :count] = lanes.inside.transpose(1, 2, 0)
    steps = Steps(flat, count=padded, height=height, width=width, inside=None if lanes.inside is None else inside)
    pixels = steps.canvas[flat.reach :, flat.reach : flat.reach + width, :, :count]  # a view
    given = to_input(lanes.pictures.transpose(1, 2, 3, 0)[lanes.known])
    pixels[lanes.known] = given * inside[lanes.known][:, None, :count]
    values = np.zeros(steps.canvas.shape[-1], steps.canvas.dtype)
    top, left = lanes.origin
    for y in range(height):
        steps.begin_row(y)
        for first, last, known in runs(lanes.known[y]):
            if known:
                if last < width:  # else nobody in this row asks
                    steps.know(first, last, y)
                continue
            for x in range(first, last):
                steps.begin_pixel(y, x)
                for colour in range(3):
                    logits = steps.logits(colour)[:, :count]
                    logits += lanes.conditioning[y - top, x - left, colour][:, lanes.owner]
                    levels = choose(logits, lanes.uniforms[:, y - top, x - left, colour], choice)
                    entropy[:, y, x] += entropy_bits(logits)
                    lanes.pictures[:, y, x, colour] = levels
                    values[:count] = to_input(levels) * inside[y, x, :count]
                    steps.set(colour, values)
        if on_row is not None:
            on_row(y, lanes.pictures)
    return entropy


def to_input(levels: NDArray[np.uint8] | NDArray[np.int64]) -> NDArray[np.float64]:
    """0..255 -> [-1,1], as the network gets it."""
    return levels / 255 * 2 - 1


def runs(known: NDArray[np.bool_]) -> Iterator[tuple[int, int, bool]]:
    """Stretches of a row that are all known or all not: first, one past the last, which."""
    edges = [0, *(np.flatnonzero(np.diff(known)) + 1).tolist(), len(known)]
    for first, last in itertools.pairwise(edges):
        yield first, last, bool(known[first])


@torch.no_grad()
def draw_naively(
    model: PixelRecursive, lr: Tensor, *, samples: int = 1, choice: Choice | None = None, given: Given | None = None
) -> Drawn:
    """What ``Sampler.draw`` gives, by running the whole prior network for every subpixel."""
    choice = choice or Choice()
    lanes = prepare(model, lr, samples, choice, given)
    count, height, width = lanes.pictures.shape[:3]
    entropy = np.zeros((count, height, width), np.float32)
    dtype = model.prior.logits.weight.dtype
    for y, x in np.argwhere(~lanes.known).tolist():
        for colour in range(3):
            hr = torch.from_numpy(to_input(lanes.pictures)).permute(0, 3, 1, 2).to(dtype)
            prior = split_colours(model.prior(hr))[:, colour, :, y, x].numpy().T  # (256,N)
            logits = prior + lanes.conditioning[y, x, colour][:, lanes.owner]
            entropy[:, y, x] += entropy_bits(logits)
            lanes.pictures[:, y, x, colour] = choose(logits, lanes.uniforms[:, y, x, colour], choice)
    shape = (len(lr), samples, height, width, 3)
    return Drawn(lanes.pictures.reshape(shape), entropy.reshape(shape[:-1]))


@torch.no_grad()
def bits_per_subpixel(model: PixelRecursive, lr: Tensor, hr: Tensor) -> Tensor:
    """How surprised the model is by each picture: (N,3,h,w) and (N,3,H,W) in [0,1] -> (N,)."""
    dtype = model.prior.logits.weight.dtype
    each = [
        nats(model(x[None], y[None]).joint, y[None]).mean() for x, y in zip(lr.to(dtype), hr.to(dtype), strict=True)
    ]
    return torch.stack(each) / math.log(2)
