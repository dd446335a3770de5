"""Pixel Recursive Super Resolution (Dahl, Norouzi, Shlens, arXiv 1702.00783): a picture drawn subpixel by subpixel.

    model = PixelRecursive(PAPER)          # or SMALL, which a CPU trains in about an hour
    joint, conditioning = model(lr, hr)    # logits over 256 levels, each (N,3,256,H,W); every subpixel at once

p(hr | lr) = prod_i softmax(A_i(lr) + B_i(hr_<i)): a conditioning network A looks at the low-resolution picture, a prior
network B at the subpixels already drawn, in raster order and within a pixel R, G, B. B is a gated PixelCNN (van den
Oord et al., arXiv 1606.05328): a vertical stack sees all rows above, a horizontal stack the pixels to the left and what
the vertical stack says, so that there is no blind spot. Features are in three groups, one for each colour, and at the
pixel itself a group sees the groups before it only. Both stacks have residual connections. ``loupe.sampling`` draws.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256


@dataclass(frozen=True, kw_only=True)
class PixelRecursiveConfig:
    """Shape of both networks; the defaults are the paper's (table in its appendix)."""

    scale: int = 4
    features: int = 32  # of the conditioning network
    blocks: int = 6  # residual blocks at each resolution
    prior_features: int = 64
    layers: int = 20  # gated layers
    first_kernel: int = 7
    kernel: int = 5
    hidden: int = 1024  # before the logits of the prior

    def __post_init__(self) -> None:
        if self.scale not in (2, 4, 8):
            raise ValueError(f"scale: got {self.scale}, expected 2, 4 or 8")
        for name, least, most in (
            ("features", 1, 1024),
            ("blocks", 1, 64),
            ("prior_features", 3, 1024),
            ("layers", 1, 64),
            ("hidden", 3, 4096),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected {least} to {most}")
        for name in ("first_kernel", "kernel"):
            if getattr(self, name) not in (3, 5, 7, 9):
                raise ValueError(f"{name}: got {getattr(self, name)}, expected 3, 5, 7 or 9")


PAPER = PixelRecursiveConfig()
SMALL = PixelRecursiveConfig(blocks=2, prior_features=64, layers=10, kernel=3, hidden=256)


class Logits(NamedTuple):
    """``joint`` is A + B, ``conditioning`` is A alone: (N,3,256,H,W)."""

    joint: Tensor
    conditioning: Tensor


def colour_groups(count: int) -> Tensor:
    """Which of R, G, B (0, 1, 2) each of ``count`` features belongs to: three runs, as even as can be."""
    return torch.arange(count) * 3 // count


def channel_mask(groups_out: Tensor, groups_in: Tensor, *, own: bool) -> Tensor:
    """(out, in) of 0 and 1: a feature sees the groups before its own, and with ``own`` its own."""
    return (groups_in[None, :] < groups_out[:, None] + int(own)).float()


class MaskedConv(nn.Conv2d):
    """One row of taps that end at the pixel itself, where ``mask`` (out, in) says who sees whom. Keeps the size."""

    mask: Tensor

    def __init__(self, groups_in: Tensor, groups_out: Tensor, taps: int, *, own: bool) -> None:
        super().__init__(len(groups_in), len(groups_out), (1, taps))
        mask = torch.ones_like(self.weight)
        mask[:, :, 0, -1] = channel_mask(groups_out, groups_in, own=own)
        self.register_buffer("mask", mask, persistent=False)
        with torch.no_grad():
            self.weight *= mask

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (self.kernel_size[1] - 1, 0))
        return F.conv2d(x, self.weight * self.mask, self.bias)


class VerticalConv(nn.Conv2d):
    """Rows above and, with ``own``, the row itself, as far to both sides as the kernel is wide. Keeps the size."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, own: bool) -> None:
        self.reach, self.own = kernel // 2, own
        super().__init__(channels_in, channels_out, (self.reach + int(own), kernel))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (self.reach, self.reach, self.reach, 0 if self.own else -1))
        return F.conv2d(x, self.weight, self.bias)


def gate(z: Tensor) -> Tensor:
    """(N,2F,...) -> (N,F,...)."""
    value, opening = z.chunk(2, dim=1)
    return torch.tanh(value) * torch.sigmoid(opening)


class GatedLayer(nn.Module):
    """Figure 2 of van den Oord et al.: both stacks, with a link from the vertical to the horizontal."""

    def __init__(self, features: int, kernel: int) -> None:
        super().__init__()
        groups = colour_groups(features)
        self.vertical = VerticalConv(features, 2 * features, kernel, own=True)
        self.horizontal = MaskedConv(groups, groups.repeat(2), kernel // 2 + 1, own=True)
        self.link = nn.Conv2d(features, 2 * features, 1)
        self.out = MaskedConv(groups, groups, 1, own=True)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        v = v + gate(self.vertical(v))
        return v, h + self.out(gate(self.horizontal(h) + self.link(v)))


class Prior(nn.Module):
    """B: (N,3,H,W) in [-1,1] -> (N,768,H,W) logits; those of a subpixel depend on the subpixels before it only."""

    def __init__(self, config: PixelRecursiveConfig) -> None:
        super().__init__()
        groups, hidden = colour_groups(config.prior_features), colour_groups(config.hidden)
        self.vertical = VerticalConv(3, config.prior_features, config.first_kernel, own=False)
        self.horizontal = MaskedConv(colour_groups(3), groups, config.first_kernel // 2 + 1, own=False)
        self.layers = nn.ModuleList(GatedLayer(config.prior_features, config.kernel) for _ in range(config.layers))
        self.hidden = MaskedConv(groups, hidden, 1, own=True)
        self.logits = MaskedConv(hidden, colour_groups(3 * LEVELS), 1, own=True)

    def forward(self, hr: Tensor) -> Tensor:
        v, h = self.vertical(hr), self.horizontal(hr)  # (N,F,H,W)
        for layer in self.layers:
            v, h = layer(v, h)
        logits: Tensor = self.logits(F.relu(self.hidden(F.relu(h))))
        return logits


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return out


def conditioning_body(config: PixelRecursiveConfig) -> nn.Sequential:
    """(N,3,h,w) -> (N,features,h*r,w*r): residual blocks, then twice the size, until it is full."""
    features = config.features
    stages: list[nn.Module] = [nn.Conv2d(3, features, 1)]
    for _ in range(config.scale.bit_length() - 1):
        stages += [ResidualBlock(features) for _ in range(config.blocks)]
        stages.append(nn.ConvTranspose2d(features, features, 3, stride=2, padding=1, output_padding=1))
    stages += [ResidualBlock(features) for _ in range(config.blocks)]
    return nn.Sequential(*stages)


class Conditioning(nn.Module):
    """A: (N,3,h,w) in [-1,1] -> (N,768,h*r,w*r) logits."""

    def __init__(self, config: PixelRecursiveConfig) -> None:
        super().__init__()
        self.body = conditioning_body(config)
        self.logits = nn.Conv2d(config.features, 3 * LEVELS, 1)

    def forward(self, lr: Tensor) -> Tensor:
        logits: Tensor = self.logits(F.relu(self.body(lr)))
        return logits


class PixelRecursive(nn.Module):
    """``lr`` (N,3,h,w) and ``hr`` (N,3,h*r,w*r), both in [0,1] -> Logits. Any h, w of 1 or more."""

    def __init__(self, config: PixelRecursiveConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioning = Conditioning(config)
        self.prior = Prior(config)

    def forward(self, lr: Tensor, hr: Tensor) -> Logits:
        conditioning = self.conditioning(centred(lr))  # (N,768,H,W)
        joint = conditioning + self.prior(centred(hr))
        return Logits(split_colours(joint), split_colours(conditioning))


def split_colours(logits: Tensor) -> Tensor:
    """(N,768,H,W) -> (N,3,256,H,W)."""
    return logits.view(len(logits), 3, LEVELS, *logits.shape[2:])


def centred(picture: Tensor) -> Tensor:
    """[0,1] -> [-1,1]."""
    return picture * 2 - 1


def nats(logits: Tensor, hr: Tensor) -> Tensor:
    """Negative log-likelihood of every subpixel, (N,3,H,W). logits (N,3,256,H,W), hr (N,3,H,W) in [0,1]."""
    rows = logits.float().permute(0, 3, 4, 1, 2)  # (N,H,W,3,256): as it lies in memory when channels are last
    levels = to_levels(hr).permute(0, 2, 3, 1)
    loss = F.cross_entropy(rows.reshape(-1, LEVELS), levels.reshape(-1), reduction="none")
    return loss.view(levels.shape).permute(0, 3, 1, 2)


def to_levels(picture: Tensor) -> Tensor:
    """[0,1] -> 0..255, int64."""
    return (picture * (LEVELS - 1)).round().long()


def conditioning_reach(config: PixelRecursiveConfig) -> int:
    """How many low-resolution pixels to each side the conditioning network can see."""
    doublings = config.scale.bit_length() - 1
    at_full_size = 2 * config.blocks  # 3x3 convolutions; each coarser grid counts twice, and so does the step between
    for _ in range(doublings):
        at_full_size = -(-(at_full_size + 1) // 2) + 2 * config.blocks
    return at_full_size


def prior_reach(config: PixelRecursiveConfig) -> int:
    """How many pixels to the left, above and to the right of a pixel the prior can see."""
    return config.first_kernel // 2 + config.layers * (config.kernel // 2)
