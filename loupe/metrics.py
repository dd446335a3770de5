"""PSNR and SSIM as the published tables compute them.

    psnr(sr, hr, border=4)                  # dB, on luma, 4 pixels of every side cut
    ssim(sr, hr, border=4, channel="rgb")

Pictures are (N,3,H,W) float RGB in [0,1] and are rounded to 256 levels first, as a file would be. ``channel="y"`` is
luma of ITU-R BT.601 in its 16..235 range, as MATLAB's rgb2ycbcr gives and as tables of Set5, Set14, B100 and Urban100
use with ``border`` = factor; tables of DIV2K use ``channel="rgb"`` and factor + 2. Do not mix the two.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from loupe.degrade import quantize

Channel = Literal["y", "rgb"]
WINDOW = 11  # side of the window of SSIM, so the least that a picture may have inside its border
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM, table 1 of its paper


def luma(rgb: Tensor) -> Tensor:
    """(N,3,H,W) in [0,1] -> (N,1,H,W): BT.601 studio luma divided by 255, so between 16/255 and 235/255."""
    red, green, blue = rgb[:, 0:1], rgb[:, 1:2], rgb[:, 2:3]
    return (red * 65.481 + green * 128.553 + blue * 24.966 + 16.0) / 255.0


def _prepare(picture: Tensor, border: int, channel: Channel) -> Tensor:
    picture = quantize(picture.double())
    if channel == "y":
        picture = luma(picture)
    if border:
        picture = picture[..., border:-border, border:-border]
    return picture * 255.0


def _check(sr: Tensor, hr: Tensor, border: int) -> None:
    if sr.shape != hr.shape or sr.dim() != 4 or sr.shape[1] != 3:
        raise ValueError(f"shapes: got {tuple(sr.shape)} and {tuple(hr.shape)}, expected the same (N,3,H,W)")
    if border < 0 or min(sr.shape[-2:]) <= 2 * border:
        raise ValueError(f"border: got {border}, expected less than half of {min(sr.shape[-2:])}")


def psnr(sr: Tensor, hr: Tensor, *, border: int, channel: Channel = "y") -> Tensor:
    """Peak signal-to-noise ratio in dB, (N,); infinity when equal. ValueError for shapes that differ."""
    _check(sr, hr, border)
    error = _prepare(sr, border, channel) - _prepare(hr, border, channel)
    mse = error.square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(255.0**2 / mse)


def gaussian_window(size: int = WINDOW, sigma: float = 1.5) -> Tensor:
    """(size,) float64 weights that sum to one: the window of Wang et al. 2004."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-(x**2) / (2 * sigma**2))
    return window / window.sum()


def ssim(sr: Tensor, hr: Tensor, *, border: int, channel: Channel = "y") -> Tensor:
    """Structural similarity (Wang et al. 2004; 11x11 Gaussian of 1.5, no padding), mean over channels, (N,).

    ValueError for shapes that differ or that are smaller than the window after the border is cut.
    """
    luminance, structure = _similarity(*_prepared(sr, hr, border, channel))
    return (luminance * structure).mean(dim=(1, 2, 3))


def ms_ssim(sr: Tensor, hr: Tensor, *, border: int = 0, channel: Channel = "y") -> Tensor:
    """Multi-scale SSIM (Wang, Simoncelli and Bovik 2003), (N,).

    The published five scales need 176 pixels; a smaller picture gets as many as its sides allow, with weights that
    sum to one again: two at 32 pixels. ValueError as for ``ssim``.
    """
    x, y = _prepared(sr, hr, border, channel)
    scales = min(len(SCALE_WEIGHTS), (min(x.shape[-2:]) // WINDOW).bit_length())
    weights = [weight / sum(SCALE_WEIGHTS[:scales]) for weight in SCALE_WEIGHTS[:scales]]
    total = x.new_ones(len(x))
    for scale, weight in enumerate(weights):
        luminance, structure = _similarity(x, y)
        if scale == scales - 1:
            structure = structure * luminance
        total = total * structure.mean(dim=(1, 2, 3)).clamp_min(0) ** weight
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return total


def _prepared(sr: Tensor, hr: Tensor, border: int, channel: Channel) -> tuple[Tensor, Tensor]:
    _check(sr, hr, border)
    x, y = _prepare(sr, border, channel), _prepare(hr, border, channel)
    if min(x.shape[-2:]) < WINDOW:
        raise ValueError(f"size: got {min(x.shape[-2:])} pixels inside the border, expected at least {WINDOW}")
    return x, y


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM at each place: luminance, and contrast with structure. (N,C,H,W) in 0..255."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    channels = x.shape[1]
    window = gaussian_window().to(x.device)
    column = window.view(1, 1, WINDOW, 1).expand(channels, 1, WINDOW, 1)
    row = window.view(1, 1, 1, WINDOW).expand(channels, 1, 1, WINDOW)

    def blur(picture: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(picture, column, groups=channels), row, groups=channels)

    mean_x, mean_y = blur(x), blur(y)
    var_x = blur(x * x) - mean_x**2
    var_y = blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (var_x + var_y + c2)
