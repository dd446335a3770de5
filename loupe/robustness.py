"""Robustness: what becomes of a model when the picture that it gets is not clean.

    hr, lr = CONDITIONS["noise_15"].apply(hr, lr)

Each condition changes the low-resolution picture, which is of 256 levels before and after, as a file would be. The
target stays the clean high-resolution picture: noise and blocks ought to be gone in the result. Light is another
matter, since a dark picture should stay one: there the target gets the same change. Noise depends on the picture's
own pixels and on nothing else, so that the same picture always gets the same.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loupe.degrade import quantize
from loupe.evaluation import from_uint8, to_uint8
from loupe.images import Picture, decode, encode

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """``both``: the target is changed too. ``told`` is for a person."""

    change: Change
    both: bool = False
    told: str

    def apply(self, hr: Tensor, lr: Tensor) -> tuple[Tensor, Tensor]:
        """(hr, lr), each (1,3,H,W) in [0,1], as the target and the input under this condition."""
        return (self.change(hr) if self.both else hr), self.change(lr)


def change_light(x: Tensor, gamma: float) -> Tensor:
    """Darker for a gamma above 1, brighter below; black and white stay."""
    return quantize(x**gamma)


def add_noise(x: Tensor, sigma: float) -> Tensor:
    """Gaussian noise of ``sigma`` levels of 255, independent in each channel."""
    digest = hashlib.sha256(to_uint8(x).tobytes()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return quantize(x + torch.randn(x.shape, generator=generator) * (sigma / 255))


def compress(x: Tensor, quality: int) -> Tensor:
    """Saved as JPEG of that quality, and read again."""
    return from_uint8(decode(encode(Picture(color=to_uint8(x)), "JPEG", quality=quality)).color)


# 2.2 is the exponent of sRGB: a picture shown with it once too often, or once too seldom. Noise of 15 levels is the
# least that papers on denoising test (25 and 50 beside it), 5 is what a camera leaves in poor light; JPEG of 60 is
# poor and of 30 bad to the eye.
CONDITIONS: Mapping[str, Condition] = {
    "dark": Condition(change=lambda x: change_light(x, 2.2), both=True, told="darker, gamma 2.2; the target as well"),
    "bright": Condition(
        change=lambda x: change_light(x, 1 / 2.2), both=True, told="brighter, gamma 1/2.2; the target as well"
    ),
    "noise_5": Condition(change=lambda x: add_noise(x, 5), told="Gaussian noise, sigma 5 of 255"),
    "noise_15": Condition(change=lambda x: add_noise(x, 15), told="Gaussian noise, sigma 15 of 255"),
    "jpeg_60": Condition(change=lambda x: compress(x, 60), told="JPEG of quality 60"),
    "jpeg_30": Condition(change=lambda x: compress(x, 30), told="JPEG of quality 30"),
}


def centre(hr: Tensor, lr: Tensor, side: int, scale: int) -> tuple[Tensor, Tensor]:
    """The middle of both, at most ``side`` high-resolution pixels a side and a multiple of ``scale``."""
    height, width = (min(length, max(1, side // scale)) for length in lr.shape[-2:])
    top, left = (lr.shape[-2] - height) // 2, (lr.shape[-1] - width) // 2
    cut = lr[..., top : top + height, left : left + width]
    top, left, height, width = (value * scale for value in (top, left, height, width))
    return hr[..., top : top + height, left : left + width], cut
