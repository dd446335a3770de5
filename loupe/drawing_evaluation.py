"""How good drawn pictures are: the table of the pixel recursive paper, and the sheet to look at.

    rows = evaluate_drawing(sampler, pictures)              # (N,H,W,3) uint8: the truth
    rows += evaluate_answers("bicubic", lambda lr: bicubic_upscale(lr, 4), pictures, scale=4)
    sheet = draw_sheet(sampler, bicubic_downscale(to_tensor(pictures[:8]), 4), pictures[:8])    # a picture to look at

Low-resolution pictures are made by antialiased bicubic. Consistency is the mean squared error between the input and
the answer made small again the same way, pictures in [0,1]. Diversity is the mean over pairs of samples of one input
of the root mean square of their difference, in [0,1].
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from loupe.choosing import Choice
from loupe.degrade import bicubic_downscale, bicubic_upscale, quantize
from loupe.drawing import Bytes, entropy_picture
from loupe.errors import InvalidOption
from loupe.metrics import ms_ssim, psnr, ssim
from loupe.sampling import Sampler, bits_per_subpixel

FACTORS = (1.0, 1.1, 1.2)  # what the paper multiplies logits with: one over the temperature
LEAST_SAMPLES = 2
DIVERSE = 32  # pictures of which several samples are drawn for the diversity


Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class DrawnRow:
    """Means over the pictures; ``bits`` a subpixel and ``diversity`` only where a model has them."""

    model: str
    factor: float | None = None
    psnr_y: float
    ssim_y: float
    ms_ssim_y: float
    consistency: float
    bits: float | None = None
    diversity: float | None = None


def to_tensor(pictures: Bytes) -> Tensor:
    """(...,H,W,3) uint8 -> (N,3,H,W) in [0,1]."""
    return torch.from_numpy(pictures.reshape(-1, *pictures.shape[-3:])).permute(0, 3, 1, 2).float() / 255


def consistency(sr: Tensor, lr: Tensor, scale: int) -> Tensor:
    """(N,): mean squared error between ``lr`` and ``sr`` made ``scale`` times smaller, in [0,1]."""
    return (bicubic_downscale(quantize(sr), scale) - lr).square().mean(dim=(1, 2, 3))


def diversity(pictures: Bytes) -> float:
    """(M,S,H,W,3) uint8, S of 2 or more -> mean distance of two samples of one input."""
    samples = pictures.astype(np.float64) / 255
    pairs = itertools.combinations(range(samples.shape[1]), 2)
    distances = [np.sqrt(((samples[:, a] - samples[:, b]) ** 2).mean(axis=(1, 2, 3))) for a, b in pairs]
    return float(np.mean(distances))


def evaluate_answers(
    name: str, answer: Callable[[Tensor], Tensor], pictures: Bytes, *, scale: int, border: int = 0
) -> DrawnRow:
    """A model that gives one answer: (N,3,h,w) -> (N,3,H,W), near [0,1]. ``border`` is cut, but for consistency."""
    hr = to_tensor(pictures)
    lr = bicubic_downscale(hr, scale)
    sr = quantize(answer(lr))
    return DrawnRow(
        model=name,
        psnr_y=psnr(sr, hr, border=border).mean().item(),
        ssim_y=ssim(sr, hr, border=border).mean().item(),
        ms_ssim_y=ms_ssim(sr, hr, border=border).mean().item(),
        consistency=consistency(sr, lr, scale).mean().item(),
    )


def evaluate_drawing(
    sampler: Sampler,
    pictures: Bytes,
    *,
    name: str = "pixel_recursive",
    factors: Sequence[float] = FACTORS,
    seed: int = 0,
    samples: int = 8,
    batch: int = 64,
    progress: Progress | None = None,
) -> list[DrawnRow]:
    """One row for each factor of the logits; ``samples`` of the first pictures tell how diverse they are.

    ``progress`` is told how many pictures are drawn, of how many. Raises InvalidOption.
    """
    if not factors or min(factors) <= 0:
        raise InvalidOption(f"factors: got {list(factors)}, expected some above 0")
    if samples < LEAST_SAMPLES:
        raise InvalidOption(f"samples: got {samples}, expected {LEAST_SAMPLES} or more: diversity is of two")
    hr = to_tensor(pictures)
    lr = bicubic_downscale(hr, sampler.scale)
    bits = bits_per_subpixel(sampler.model, lr, hr).mean().item()
    few = lr[:DIVERSE]
    done, total = 0, len(factors) * (len(lr) + len(few) * samples)

    def draw(inputs: Tensor, count: int, choice: Choice) -> Bytes:
        """(N,3,h,w) -> (N,count,H,W,3), so many at a time that ``batch`` are drawn side by side."""
        nonlocal done
        drawn = []
        for part in torch.split(inputs, max(1, batch // count)):
            drawn.append(sampler.draw(part, samples=count, choice=choice).pictures)
            done += len(part) * count
            if progress:
                progress(done, total)
        return np.concatenate(drawn)

    rows = []
    for factor in factors:
        choice = Choice(temperature=1 / factor, seed=seed)
        answer = to_tensor(draw(lr, 1, choice))
        row = evaluate_answers(name, lambda _, answer=answer: answer, pictures, scale=sampler.scale)  # type: ignore[misc]
        rows.append(replace(row, factor=factor, bits=bits, diversity=diversity(draw(few, samples, choice))))
    return rows


def draw_sheet(
    sampler: Sampler,
    lr: Tensor,
    truth: Bytes | None = None,
    *,
    samples: int = 4,
    choice: Choice | None = None,
    regression: Callable[[Tensor], Tensor] | None = None,
    zoom: int = 3,
) -> Bytes:
    """A row for each input (N,3,h,w): the input, bicubic, ``regression`` if given, samples, their mean entropy, truth
    (N,H,W,3), which is left white where there is none.
    """
    scale = sampler.scale
    drawn = sampler.draw(lr, samples=samples, choice=choice)
    columns: list[Bytes] = [to_bytes(lr).repeat(scale, 1).repeat(scale, 2), to_bytes(bicubic_upscale(lr, scale))]
    if regression:
        columns.append(to_bytes(regression(lr)))
    columns += [drawn.pictures[:, sample] for sample in range(samples)]
    columns += [entropy_picture(drawn.entropy.mean(1)), np.full_like(columns[0], 255) if truth is None else truth]
    sheet = np.concatenate([np.concatenate(list(column), 0) for column in columns], 1)
    return np.ascontiguousarray(sheet.repeat(zoom, 0).repeat(zoom, 1))


def to_bytes(pictures: Tensor) -> Bytes:
    """(N,3,H,W) near [0,1] -> (N,H,W,3) uint8."""
    return np.asarray((quantize(pictures) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
