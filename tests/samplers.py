"""A small real model that draws, as a checkpoint: untrained, with weights large enough that its choices differ."""

from pathlib import Path

import torch

from loupe.checkpoint import describe, save_checkpoint
from loupe.models.pixel_recursive import PixelRecursive, PixelRecursiveConfig

CONFIG = PixelRecursiveConfig(
    scale=4, features=8, blocks=1, prior_features=12, layers=2, first_kernel=7, kernel=3, hidden=24
)


def make_sampler(folder: Path, name: str, *, version: str = "1", seed: int = 0) -> Path:
    torch.manual_seed(seed)
    model = PixelRecursive(CONFIG)
    with torch.no_grad():
        model.prior.logits.weight.mul_(12)
        model.conditioning.logits.weight.mul_(24)
    info = describe(
        model, name=name, architecture="pixel_recursive", scale=4, version=version, summary="for tests", license="none"
    )
    path = folder / f"{name}.safetensors"
    save_checkpoint(path, model, info)
    return path
