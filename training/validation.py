"""The figure by which a run keeps its best weights, over held-out pictures of the pack.

score = PSNR_Y.measure(model, pack, scale, device)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from loupe.metrics import psnr
from loupe.models.pixel_recursive import nats
from training.pack import Pictures, to_batch

SIDE = 480  # a centre crop of at most this many high-resolution pixels a side keeps a validation short
DRAWN_SIDE, DRAWN = 64, 128  # the same and the number of pictures, for models that draw: they do more for each pixel


@dataclass(frozen=True)
class Metric:
    """``sign`` is -1 where lower is better."""

    name: str
    measure: Callable[[nn.Module, Pictures, int, torch.device], float]
    sign: int = 1


@torch.no_grad()
def measure_psnr(model: nn.Module, pack: Pictures, scale: int, device: torch.device) -> float:
    """Mean PSNR-Y in dB over the centre of every picture of ``pack``, by the published protocol."""
    model.eval()
    total = 0.0
    for index in range(len(pack.entries)):
        lr, hr = _centre(pack, index, scale, SIDE)
        x = to_batch(lr).to(device, memory_format=torch.channels_last)
        total += psnr(model(x).cpu(), to_batch(hr), border=scale).item()
    model.train()
    return total / len(pack.entries)


@torch.no_grad()
def measure_bits(model: nn.Module, pack: Pictures, scale: int, device: torch.device) -> float:
    """Mean bits per subpixel of the truth, over the centre of pictures spread evenly over ``pack``; lower is better."""
    model.eval()
    chosen = np.linspace(0, len(pack.entries) - 1, min(DRAWN, len(pack.entries))).round().astype(int).tolist()
    total = 0.0
    for index in chosen:
        lr, hr = (to_batch(picture).to(device) for picture in _centre(pack, index, scale, DRAWN_SIDE))
        total += nats(model(lr, hr).joint, hr).mean().item() / np.log(2)
    model.train()
    return float(total / len(chosen))


def _centre(pack: Pictures, index: int, scale: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Low and high resolution of one picture's centre, of at most ``side`` high-resolution pixels."""
    lr, hr = pack.picture(index, scale), pack.picture(index)
    side = side // scale
    top, left = max(0, lr.shape[0] - side) // 2, max(0, lr.shape[1] - side) // 2
    return (
        lr[top : top + side, left : left + side],
        hr[top * scale : (top + side) * scale, left * scale : (left + side) * scale],
    )


PSNR_Y = Metric("valid_psnr_y", measure_psnr)
BITS = Metric("valid_bits_per_subpixel", measure_bits, sign=-1)
