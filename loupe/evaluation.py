"""How good a model is, by the protocol of the published tables.

    result = evaluate(backend, find_benchmark(Path("set5"), scale=4))
    result.psnr_y, result.ssim_y        # means over the pictures
    row = measure_row("bird", enlarging(backend), hr, lr, 4)       # one picture, of whatever origin

A benchmark is a folder with ``hr/`` and, if the set has its own, ``lr_x4/``; without it the low-resolution pictures
are made by MATLAB's bicubic, of pictures cut to a multiple of the factor. A folder of pictures alone counts as ``hr/``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loupe.backends import Backend
from loupe.colour import Samples
from loupe.degrade import bicubic_downscale, bicubic_upscale, crop_to_multiple
from loupe.errors import InvalidOption
from loupe.files import find_pictures, read_picture
from loupe.images import Picture, decode
from loupe.metrics import WINDOW, psnr, ssim
from loupe.settings import Limits
from loupe.upscale import Upscaler

Enlarge = Callable[[Tensor], Tensor]  # (1,3,h,w) -> (1,3,h*scale,w*scale), both of 256 levels in [0,1]


@dataclass(frozen=True)
class Pair:
    """One picture of a benchmark; ``lr`` is None where the set brings none."""

    hr: Path
    lr: Path | None


@dataclass(frozen=True)
class Row:
    """One picture's figures: PSNR in dB and SSIM, both on luma, the border of ``scale`` pixels cut.

    ``seconds`` are those of enlarging it to ``megapixels``.
    """

    name: str
    psnr_y: float
    ssim_y: float
    seconds: float
    megapixels: float


@dataclass(frozen=True)
class Result:
    """``seconds`` are spent in the model, for ``megapixels`` of results."""

    model: str
    benchmark: str
    scale: int
    rows: tuple[Row, ...]

    @property
    def psnr_y(self) -> float:
        return float(np.mean([row.psnr_y for row in self.rows]))

    @property
    def ssim_y(self) -> float:
        return float(np.mean([row.ssim_y for row in self.rows]))

    @property
    def seconds(self) -> float:
        return sum(row.seconds for row in self.rows)

    @property
    def megapixels(self) -> float:
        return sum(row.megapixels for row in self.rows)


def find_benchmark(folder: Path, scale: int) -> list[Pair]:
    """The pairs of a benchmark folder. InvalidOption when there is none, or a low-resolution picture is missing."""
    if not folder.is_dir():
        raise InvalidOption(f"{folder}: no such folder; give one with pictures, or with hr/ and lr_x{scale}/")
    hr_folder = folder / "hr" if (folder / "hr").is_dir() else folder
    lr_folder = folder / f"lr_x{scale}"
    pairs = []
    for hr in find_pictures(hr_folder, recursive=False):
        lr = None
        if lr_folder.is_dir():
            names = (f"{hr.stem}x{scale}", hr.stem)
            lr = next((p for p in find_pictures(lr_folder, recursive=False) if p.stem in names), None)
            if lr is None:
                raise InvalidOption(f"{lr_folder}: got no picture for {hr.name}, expected {names[0]}.png")
        pairs.append(Pair(hr, lr))
    if not pairs:
        raise InvalidOption(f"{hr_folder}: got a folder without pictures")
    return pairs


def read_tensor(path: Path, limits: Limits) -> Tensor:
    """(1,3,H,W) float32 in [0,1]; gray is repeated, alpha ignored."""
    color = decode(read_picture(path, limits), limits).color
    planes = torch.from_numpy(color.astype(np.float32) / np.iinfo(color.dtype).max).permute(2, 0, 1)[None]
    return planes.expand(1, 3, -1, -1)


def evaluate(
    backend: Backend,
    pairs: list[Pair],
    *,
    benchmark: str = "",
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run ``backend`` over a benchmark, tiles and rounding included: what a person would get is what is measured."""
    limits = limits or Limits()
    enlarge = enlarging(backend, limits)
    rows = []
    for done, pair in enumerate(pairs):
        hr, lr = read_pair(pair, backend.scale, limits)
        rows.append(measure_row(pair.hr.stem, enlarge, hr, lr, backend.scale))
        if progress:
            progress(done + 1, len(pairs))
    return Result(backend.name, benchmark, backend.scale, tuple(rows))


def evaluate_bicubic(pairs: list[Pair], scale: int, *, benchmark: str = "", limits: Limits | None = None) -> Result:
    """The baseline of every table: MATLAB's bicubic."""
    enlarge = partial(bicubic_upscale, factor=scale)
    rows = []
    for pair in pairs:
        hr, lr = read_pair(pair, scale, limits or Limits())
        rows.append(measure_row(pair.hr.stem, enlarge, hr, lr, scale))
    return Result("bicubic", benchmark, scale, tuple(rows))


def enlarging(backend: Backend, limits: Limits | None = None) -> Enlarge:
    """What a person gets from ``backend``, tiles and rounding to 256 levels included, as a function on tensors."""
    upscaler = Upscaler(backend, limits=limits)

    def enlarge(lr: Tensor) -> Tensor:
        larger = upscaler.upscale(Picture(color=to_uint8(lr)))
        return from_uint8(larger.color)

    return enlarge


def read_pair(pair: Pair, scale: int, limits: Limits) -> tuple[Tensor, Tensor]:
    """(hr, lr) as (1,3,H,W) and (1,3,H/scale,W/scale) in [0,1]. InvalidOption if their sizes do not fit."""
    hr = crop_to_multiple(read_tensor(pair.hr, limits), scale)
    least = WINDOW + 2 * scale
    if min(hr.shape[-2:]) < least:
        raise InvalidOption(
            f"{pair.hr}: got {hr.shape[-1]}x{hr.shape[-2]}, expected at least {least} pixels a side; leave it out"
        )
    lr = bicubic_downscale(hr, scale) if pair.lr is None else read_tensor(pair.lr, limits)
    if (lr.shape[-2] * scale, lr.shape[-1] * scale) != tuple(hr.shape[-2:]):
        got = f"{lr.shape[-1]}x{lr.shape[-2]} for {hr.shape[-1]}x{hr.shape[-2]}"
        raise InvalidOption(f"{pair.lr}: got {got}, expected {scale} times smaller")
    return hr, lr


def measure_row(name: str, enlarge: Enlarge, hr: Tensor, lr: Tensor, scale: int) -> Row:
    """Enlarge ``lr`` and compare with ``hr``; both as ``read_pair`` gives them."""
    begin = time.perf_counter()
    sr = enlarge(lr)
    seconds = time.perf_counter() - begin
    megapixels = sr.shape[-1] * sr.shape[-2] / 1e6
    figures = psnr(sr, hr, border=scale).item(), ssim(sr, hr, border=scale).item()
    return Row(name, *figures, seconds, megapixels)


def to_uint8(x: Tensor) -> NDArray[np.uint8]:
    """(1,3,H,W) in [0,1] -> (H,W,3)."""
    return np.ascontiguousarray((x[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())


def from_uint8(color: Samples) -> Tensor:
    """(H,W,3) of 256 levels -> (1,3,H,W) in [0,1]."""
    return torch.from_numpy(color).permute(2, 0, 1)[None].float() / 255
