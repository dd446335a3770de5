"""What pixel recursive super-resolution is compared with, of its conditioning network's size (arXiv 1702.00783).

logits = IndependentPixels(BaselineConfig())(lr, hr).joint     # each subpixel by itself, trained by likelihood
sr = Regression(BaselineConfig())(lr)                          # one picture, trained by L2: the mean of all answers
"""

from dataclasses import dataclass

from torch import Tensor, nn

from loupe.models.pixel_recursive import (
    Conditioning,
    Logits,
    PixelRecursiveConfig,
    centred,
    conditioning_body,
    split_colours,
)


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """The conditioning network's part of a PixelRecursiveConfig."""

    scale: int = 4
    features: int = 32
    blocks: int = 6

    def __post_init__(self) -> None:
        self.whole()

    def whole(self) -> PixelRecursiveConfig:
        """A PixelRecursiveConfig with this conditioning network; ValueError for what does not fit."""
        return PixelRecursiveConfig(scale=self.scale, features=self.features, blocks=self.blocks)


class IndependentPixels(nn.Module):
    """(N,3,h,w) in [0,1] -> Logits that are both those of the conditioning network; what has been drawn is not seen."""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioning = Conditioning(config.whole())

    def forward(self, lr: Tensor, hr: Tensor) -> Logits:  # noqa: ARG002  (called as PixelRecursive is)
        logits = split_colours(self.conditioning(centred(lr)))
        return Logits(logits, logits)


class Regression(nn.Module):
    """(N,3,h,w) in [0,1] -> (N,3,h*r,w*r), near [0,1] and not clamped."""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.body = conditioning_body(config.whole())
        self.picture = nn.Conv2d(config.features, 3, 1)

    def forward(self, lr: Tensor) -> Tensor:
        centred_picture: Tensor = self.picture(self.body(centred(lr)).relu())
        return (centred_picture + 1) / 2
