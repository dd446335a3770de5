"""What a run minimises. The loop knows networks and turns, never losses.

An Objective owns its networks. In each step the loop gives every name in ``turns`` one turn: it asks for the loss of
that turn, runs backward and steps that network's optimizer. A pixel loss has one turn; a GAN has two.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loupe.checkpoint import build_model
from loupe.models.pixel_recursive import Logits
from training.cross_entropy import mean_nats
from training.recipes import Recipe
from training.validation import BITS, PSNR_Y, Metric

Losses = dict[str, Tensor]


class Objective(Protocol):
    """``networks`` by name; the one called ``model`` is validated, by ``metric``, and shipped."""

    networks: dict[str, nn.Module]
    turns: tuple[str, ...]
    metric: Metric

    def loss(self, turn: str, networks: dict[str, nn.Module], lr: Tensor, hr: Tensor) -> tuple[Tensor, Losses]:
        """The scalar to minimise in this turn, and detached figures for the log.

        ``networks`` are those of the objective, perhaps wrapped (DDP, compile). lr (N,3,h,w), hr (N,3,h*r,w*r), [0,1].
        """
        ...


class PixelObjective:
    """L1 (EDSR, section 3.3: better PSNR than L2 though L2 is what PSNR measures) or L2 between picture and truth."""

    turns: tuple[str, ...] = ("model",)
    metric = PSNR_Y

    def __init__(self, recipe: Recipe) -> None:
        self.networks: dict[str, nn.Module] = {"model": build_model(recipe.architecture, recipe.config)}
        self.distance = {"l1": F.l1_loss, "l2": F.mse_loss}[recipe.loss]

    def loss(self, turn: str, networks: dict[str, nn.Module], lr: Tensor, hr: Tensor) -> tuple[Tensor, Losses]:
        loss = self.distance(networks[turn](lr).float(), hr)
        return loss, {"loss": loss.detach()}


class LikelihoodObjective:
    """Pixel recursive super-resolution, equation 6: CE(A + B) + CE(A), so that the conditioning is not left unused.

    Figures are in bits per subpixel; that of the conditioning alone is an independent-pixel model's.
    """

    turns: tuple[str, ...] = ("model",)
    metric = BITS

    def __init__(self, recipe: Recipe) -> None:
        self.networks: dict[str, nn.Module] = {"model": build_model(recipe.architecture, recipe.config)}

    def loss(self, turn: str, networks: dict[str, nn.Module], lr: Tensor, hr: Tensor) -> tuple[Tensor, Losses]:
        logits: Logits = networks[turn](lr, hr)
        joint, conditioning = mean_nats(logits.joint, hr), mean_nats(logits.conditioning, hr)
        bit = math.log(2)
        return joint + conditioning, {"bits": joint.detach() / bit, "conditioning_bits": conditioning.detach() / bit}


def build_objective(recipe: Recipe) -> Objective:
    """The recipe's objective with fresh networks, initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    kinds: dict[str, Callable[[Recipe], Objective]] = {"pixel": PixelObjective, "likelihood": LikelihoodObjective}
    return kinds[recipe.objective](recipe)
