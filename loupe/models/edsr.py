"""EDSR: Enhanced Deep Residual Networks for Single Image Super-Resolution (Lim et al., arXiv 1707.02921).

    model = EDSR(EDSRConfig(scale=4))            # the paper's baseline: 64 features, 16 blocks
    model = EDSR(EDSRConfig(scale=4, features=32, blocks=4, upsampler="direct", skip="nearest"))

Residual blocks without batch norm, each scaled before it is added; one long skip around the body; then an upsampler.
``shuffle`` is the paper's (a convolution and a pixel shuffle per factor of 2 or 3, then a convolution at full size);
``direct`` is one convolution to 3*r*r channels and one shuffle (ESPCN, arXiv 1609.05158): nothing runs at full size,
which on a CPU is most of the time. ``skip="nearest"`` adds the enlarged input to the output, so that a small network
need only learn what is missing.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIV2K_MEAN = (
    0.4488,
    0.4371,
    0.4040,
)  # of the training pictures, from the authors' code (sanghyun-son/EDSR-PyTorch)


@dataclass(frozen=True, kw_only=True)
class EDSRConfig:
    """Shape of the network. ``residual_scale`` is 0.1 in the paper's 256-feature model, 1 in its baseline."""

    scale: int = 4
    features: int = 64
    blocks: int = 16
    residual_scale: float = 1.0
    upsampler: Literal["shuffle", "direct"] = "shuffle"
    skip: Literal["none", "nearest"] = "none"

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale: got {self.scale}, expected 2, 3 or 4")
        if not 1 <= self.features <= 1024:
            raise ValueError(f"features: got {self.features}, expected 1 to 1024")
        if not 1 <= self.blocks <= 256:
            raise ValueError(f"blocks: got {self.blocks}, expected 1 to 256")
        if not 0 < self.residual_scale <= 1:
            raise ValueError(f"residual_scale: got {self.residual_scale}, expected above 0 up to 1")
        if self.upsampler not in ("shuffle", "direct"):
            raise ValueError(f"upsampler: got {self.upsampler!r}, expected 'shuffle' or 'direct'")
        if self.skip not in ("none", "nearest"):
            raise ValueError(f"skip: got {self.skip!r}, expected 'none' or 'nearest'")


def conv3x3(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps height and width."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class ResidualBlock(nn.Module):
    """conv, ReLU, conv, scaled, added (figure 2c): no batch norm, so the range of values stays free."""

    def __init__(self, features: int, residual_scale: float) -> None:
        super().__init__()
        self.conv1 = conv3x3(features, features)
        self.conv2 = conv3x3(features, features)
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(F.relu(self.conv1(x)))
        if self.residual_scale != 1.0:
            residual = residual * self.residual_scale
        out: Tensor = x + residual
        return out


def make_upsampler(config: EDSRConfig) -> nn.Sequential:
    """(N,F,h,w) -> (N,3,h*r,w*r)."""
    features, r = config.features, config.scale
    if config.upsampler == "direct":
        return nn.Sequential(conv3x3(features, 3 * r * r), nn.PixelShuffle(r))
    steps = (2, 2) if r == 4 else (r,)
    layers: list[nn.Module] = []
    for step in steps:
        layers += [conv3x3(features, features * step * step), nn.PixelShuffle(step)]
    return nn.Sequential(*layers, conv3x3(features, 3))


class EDSR(nn.Module):
    """(N,3,h,w) float RGB in [0,1] -> (N,3,h*r,w*r), near [0,1] and not clamped. Any h, w of 1 or more."""

    mean: Tensor

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).view(1, 3, 1, 1))
        self.head = conv3x3(3, config.features)
        self.body = nn.Sequential(
            *(ResidualBlock(config.features, config.residual_scale) for _ in range(config.blocks)),
            conv3x3(config.features, config.features),
        )
        self.tail = make_upsampler(config)

    def forward(self, lr: Tensor) -> Tensor:
        x = lr - self.mean
        x = self.head(x)  # (N,F,h,w)
        x = x + self.body(x)
        out: Tensor = self.tail(x)  # (N,3,h*r,w*r)
        if self.config.skip == "nearest":
            return out + F.interpolate(lr, scale_factor=float(self.config.scale), mode="nearest")
        return out + self.mean


def receptive_radius(config: EDSRConfig) -> int:
    """How many low-resolution pixels to each side one output pixel can see: a tile's exact halo."""
    convolutions_at_lr = 1 + 2 * config.blocks + 1 + 1  # head, blocks, end of the body, first of the upsampler
    if config.upsampler == "direct":
        return convolutions_at_lr
    return convolutions_at_lr + 1  # those at 2x and full size reach less than one more pixel
