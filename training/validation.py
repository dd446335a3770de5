"""PSNR on luma over a few held-out pictures of the pack, whole and by the published protocol."""

import torch
from torch import nn

from loupe.metrics import psnr
from training.pack import Pictures, to_batch

SIDE = 480  # a centre crop of at most this many high-resolution pixels a side keeps a validation short


@torch.no_grad()
def validate(model: nn.Module, pack: Pictures, scale: int, device: torch.device) -> float:
    """Mean PSNR-Y in dB over the centre of every picture of ``pack``."""
    model.eval()
    total = 0.0
    for index in range(len(pack.entries)):
        lr, hr = pack.picture(index, scale), pack.picture(index)
        side = SIDE // scale
        top, left = max(0, lr.shape[0] - side) // 2, max(0, lr.shape[1] - side) // 2
        lr = lr[top : top + side, left : left + side]
        hr = hr[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        x = to_batch(lr).to(device, memory_format=torch.channels_last)
        total += psnr(model(x).cpu(), to_batch(hr), border=scale).item()
    model.train()
    return total / len(pack.entries)
