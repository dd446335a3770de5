"""Drawing from a sketch: what may be asked for, and pictures to and from what the model takes and gives.

    sketch = read_sketch(decode(data), settings.drawing)             # (h,w,3) uint8, at most 16x16 cells
    given = read_given(decode(half), None, height=32, width=32)      # its pixels are kept
    drawing = artist.draw(sketch, options, given)                    # loupe/artists.py

A sketch is a picture of a few cells, a pixel each. What is drawn is invented, not recovered.
No network is needed here: whoever only talks to a server imports no torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from loupe.choosing import TEMPERATURES, Choice
from loupe.errors import InvalidOption
from loupe.images import Picture, encode
from loupe.resize import resize
from loupe.settings import DrawingLimits

Bytes = NDArray[np.uint8]
OnRows = Callable[[int, Bytes], None]
"""``on_row(y, row)``: row ``y`` is drawn, and is (samples,W,3) uint8."""

LEVELS_PER_BIT = 10  # of an entropy map: 24 bits, the most that a pixel can hold, are 240 of its 255 levels
HALF = 128
MAX_BITS = 24  # of a pixel: three subpixels of 256 levels
EXPECTED = {
    "samples": "a whole number, 1 or more",
    "temperature": f"{TEMPERATURES[0]} to {TEMPERATURES[1]}",
    "top_p": "above 0 up to 1",
    "seed": "a whole number from 0 to 2^63 - 1",
}


@dataclass(frozen=True)
class Given:
    """``picture`` (H,W,3) uint8 and ``known`` (H,W) bool: the pixels that are kept."""

    picture: Bytes
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Drawing:
    """``pictures`` (S,H,W,3) uint8, ``entropy`` (S,H,W) in bits a pixel: 0 where given or certain, at most 24."""

    pictures: Bytes
    entropy: NDArray[np.float32]


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


class DrawOptions(BaseModel):
    """What the caller asks of a drawing. Text such as ``"1.05"`` is a number too: forms hold no other.

    Sample k has the seed ``seed`` + k, and comes out the same when it is drawn alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: Annotated[int, BeforeValidator(_no_bool), Field(ge=1)] = Field(
        default=1, description="pictures to draw; the server has a limit, 8 if not set otherwise"
    )
    temperature: Annotated[float, BeforeValidator(_no_bool), Field(ge=TEMPERATURES[0], le=TEMPERATURES[1])] = Field(
        default=1.0, description="below 1 the likelier is drawn more often, above 1 the less likely"
    )
    top_p: Annotated[float, BeforeValidator(_no_bool), Field(gt=0, le=1)] = Field(
        default=1.0, description="only the likeliest levels that together have this probability"
    )
    seed: Annotated[int, BeforeValidator(_no_bool), Field(ge=0, lt=2**63)] = Field(
        default=0, description="of the first sample; the second has the next one"
    )

    @property
    def choice(self) -> Choice:
        return Choice(temperature=self.temperature, top_p=self.top_p, seed=self.seed)

    @property
    def seeds(self) -> range:
        """Of each sample, in order."""
        return range(self.seed, self.seed + self.samples)

    def check(self, limits: DrawingLimits) -> None:
        """Raise InvalidOption beyond the limits."""
        if self.samples > limits.max_samples:
            raise InvalidOption(f"samples: got {self.samples}, expected 1 to {limits.max_samples}")


def read_draw_options(given: Mapping[str, object]) -> DrawOptions:
    """Raises InvalidOption with what was got and what is expected."""
    try:
        return DrawOptions.model_validate(dict(given))
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        if name not in EXPECTED:
            raise InvalidOption(f"unknown option {name!r}, expected {', '.join(EXPECTED)}, given, mask") from error
        raise InvalidOption(f"{name}: got {given[name]!r}, expected {EXPECTED[name]}") from error


def read_sketch(picture: Picture, limits: DrawingLimits) -> Bytes:
    """(h,w,3) uint8, what is transparent laid on white. InvalidOption for more cells than the limits allow."""
    most = limits.max_cells
    if max(picture.width, picture.height) > most:
        raise InvalidOption(
            f"sketch: got {picture.width}x{picture.height} cells, expected at most {most}x{most}; a pixel is a cell, "
            "so shrink the picture first (`loupe draw --cells 8` does)"
        )
    color = to_bytes(picture)
    if picture.alpha is None:
        return color
    share = (picture.alpha / np.iinfo(picture.alpha.dtype).max)[..., None]
    return np.asarray((color * share + 255 * (1 - share)).round().astype(np.uint8))


def shrink_to_cells(picture: Picture, width: int, height: int) -> Picture:
    """Any picture as a sketch of so many cells: its middle, cut to their shape, made smaller. Raises InvalidOption."""
    if width > picture.width or height > picture.height:
        raise InvalidOption(
            f"cells: got {width}x{height}, expected at most {picture.width}x{picture.height}, the picture"
        )
    share = min(picture.width / width, picture.height / height)
    across, down = max(1, int(width * share)), max(1, int(height * share))
    left, top = (picture.width - across) // 2, (picture.height - down) // 2
    window = np.s_[top : top + down, left : left + across]
    alpha = None if picture.alpha is None else picture.alpha[window]
    return resize(replace(picture, color=picture.color[window], alpha=alpha), width, height)


def read_given(picture: Picture, mask: Picture | None, *, height: int, width: int) -> Given:
    """What is known of the picture to be drawn: by ``mask`` where it is light, else where it is opaque; a picture
    without transparency that is not so high is the upper part. Raises InvalidOption for other sizes.
    """
    if mask is not None:
        for name, one in (("given", picture), ("mask", mask)):
            _check_size(name, one, height, width)
        return Given(to_bytes(picture), to_bytes(mask).mean(axis=2) >= HALF)
    if picture.alpha is not None:
        _check_size("given", picture, height, width)
        return Given(to_bytes(picture), picture.alpha >= np.iinfo(picture.alpha.dtype).max / 2)
    if picture.width != width or picture.height >= height:
        raise InvalidOption(
            f"given: got {picture.width}x{picture.height} pixels, all of them known, expected the upper part of "
            f"{width}x{height}: so wide and not so high; or one of that size with a mask, or with transparency"
        )
    whole, known = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    whole[: picture.height], known[: picture.height] = to_bytes(picture), True
    return Given(whole, known)


def encode_given(given: Given) -> bytes:
    """PNG in which exactly what is known is opaque."""
    return encode(Picture(color=given.picture, alpha=np.where(given.known, np.uint8(255), np.uint8(0))), "PNG")


def encode_entropy(entropy: NDArray[np.float32]) -> bytes:
    """(H,W) in bits -> gray PNG, LEVELS_PER_BIT levels a bit."""
    levels = (entropy[..., None] * LEVELS_PER_BIT).round().clip(0, 255).astype(np.uint8)
    return encode(Picture(color=levels), "PNG")


def decode_entropy(picture: Picture) -> NDArray[np.float32]:
    """(H,W) in bits, to the twentieth of one."""
    return picture.color[..., 0].astype(np.float32) / np.float32(LEVELS_PER_BIT)


def entropy_picture(bits: NDArray[np.float32]) -> Bytes:
    """(...,H,W) bits a pixel -> (...,H,W,3): black where the model is sure, over violet and orange to white at 24."""
    stops = np.array([[0, 0, 0], [66, 10, 104], [203, 71, 40], [251, 180, 60], [255, 255, 255]], np.float64)
    share = np.clip(bits / MAX_BITS, 0, 1)
    channels = [np.interp(share, np.linspace(0, 1, len(stops)), stops[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def overlay(pictures: Bytes, bits: NDArray[np.float32], strength: float = 0.6) -> Bytes:
    """(...,H,W,3) and (...,H,W): the entropy over the gray picture."""
    gray = pictures.mean(-1, keepdims=True)
    mixed: Bytes = (gray * (1 - strength) + entropy_picture(bits) * strength).round().astype(np.uint8)
    return mixed


def to_bytes(picture: Picture) -> Bytes:
    """(H,W,3) uint8: 16 bits are rounded, gray is repeated."""
    color = picture.color
    levels = color if color.dtype == np.uint8 else (color.astype(np.uint32) + 128) // 257
    return np.ascontiguousarray(np.broadcast_to(levels, (*color.shape[:2], 3)).astype(np.uint8))


def provenance(made_by: str, seeds: Sequence[int], options: DrawOptions) -> str:
    """What made a picture, for its Software tag: an invented face must never pass for a photograph."""
    seed = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    top_p = f" top-p {options.top_p:g}" if options.top_p < 1 else ""
    return f"{made_by} {seed} temperature {options.temperature:g}{top_p}: invented"


def _check_size(name: str, picture: Picture, height: int, width: int) -> None:
    if (picture.width, picture.height) != (width, height):
        raise InvalidOption(
            f"{name}: got {picture.width}x{picture.height} pixels, expected {width}x{height}, the size of what is drawn"
        )
