"""From a high-resolution picture to a low-resolution one.

    lr = bicubic_downscale(hr, 4)          # what every published table uses: MATLAB's imresize

``imresize`` follows MATLAB's: cubic kernel with a = -0.5 (Keys 1981), widened by the factor when shrinking
(antialiasing), mirrored borders, weights normalised per output pixel. Linear, so it also enlarges.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

KEYS_A = -0.5


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel, zero beyond 2."""
    x = x.abs()
    near = (KEYS_A + 2) * x**3 - (KEYS_A + 3) * x**2 + 1
    far = KEYS_A * (x**3 - 5 * x**2 + 8 * x - 4)
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


@lru_cache(maxsize=256)
def resize_weights(size_in: int, size_out: int) -> tuple[Tensor, Tensor]:
    """For each output pixel the indices of the inputs it takes and their weights, both (size_out, taps)."""
    scale = size_out / size_in
    stretch = min(scale, 1.0)  # < 1 when shrinking: the kernel is widened
    width = 4.0 / stretch
    taps = math.ceil(width) + 2
    centre = (torch.arange(1, size_out + 1, dtype=torch.float64)) / scale + 0.5 * (1 - 1 / scale)
    first = torch.floor(centre - width / 2)
    index = first[:, None] + torch.arange(taps, dtype=torch.float64)[None, :]  # 1-based, as in MATLAB
    weight = stretch * cubic(stretch * (centre[:, None] - index))
    weight = weight / weight.sum(1, keepdim=True)
    mirror = torch.cat([torch.arange(size_in), torch.arange(size_in - 1, -1, -1)])
    index = mirror[(index.long() - 1) % (2 * size_in)]
    used = (weight != 0).any(0)
    return index[:, used], weight[:, used].float()


def _resize_last(x: Tensor, size_out: int) -> Tensor:
    index, weight = (t.to(x.device) for t in resize_weights(x.shape[-1], size_out))
    out = x.new_zeros((*x.shape[:-1], size_out))
    for tap in range(index.shape[1]):  # a loop over ~18 taps costs no memory beyond one plane
        out.addcmul_(x[..., index[:, tap]], weight[:, tap].to(x.dtype))
    return out


def imresize(x: Tensor, height: int, width: int, *, levels: bool = False) -> Tensor:
    """(N,C,H,W) float -> (N,C,height,width). ValueError for an empty size.

    Linear and not clamped (a cubic overshoots), unless ``levels``: then the picture is rounded to 256 levels after
    each of the two passes, as MATLAB does with a uint8 picture, and which the published low-resolution sets show.
    """
    if height < 1 or width < 1:
        raise ValueError(f"size: got {width}x{height}, expected at least 1x1")
    x = _resize_last(x.transpose(-1, -2).contiguous(), height)
    x = quantize(x) if levels else x
    x = _resize_last(x.transpose(-1, -2).contiguous(), width)
    return quantize(x) if levels else x


def quantize(x: Tensor) -> Tensor:
    """Clamp to [0,1] and round (halves up) to 256 levels, as if written to an 8-bit file and read back."""
    return (x.clamp(0, 1) * 255 + 0.5).floor() / 255


def crop_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """(N,C,H,W) with bottom and right cut so that both sides divide by ``multiple``."""
    return x[..., : x.shape[-2] // multiple * multiple, : x.shape[-1] // multiple * multiple]


def bicubic_downscale(hr: Tensor, factor: int) -> Tensor:
    """(N,C,H,W) in [0,1] -> (N,C,H/factor,W/factor) of 256 levels. ValueError if the sides do not divide."""
    height, width = hr.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"size: got {width}x{height}, expected multiples of {factor}; see crop_to_multiple")
    return imresize(hr, height // factor, width // factor, levels=True)


def bicubic_upscale(lr: Tensor, factor: int) -> Tensor:
    """(N,C,h,w) in [0,1] -> (N,C,h*factor,w*factor) of 256 levels: the baseline of every table."""
    return imresize(lr, lr.shape[-2] * factor, lr.shape[-1] * factor, levels=True)
