"""What a run minimises. The loop knows networks and turns, never losses.

An Objective owns its networks. In each step the loop gives every name in ``turns`` one turn: it asks for the loss of
that turn, runs backward and steps that network's optimizer. A pixel loss has one turn; a GAN has two.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loupe.checkpoint import build_model
from training.recipes import Recipe

Losses = dict[str, Tensor]


class Objective(Protocol):
    """``networks`` by name; the one called ``model`` is validated and shipped."""

    networks: dict[str, nn.Module]
    turns: tuple[str, ...]

    def loss(self, turn: str, networks: dict[str, nn.Module], lr: Tensor, hr: Tensor) -> tuple[Tensor, Losses]:
        """The scalar to minimise in this turn, and detached figures for the log.

        ``networks`` are those of the objective, perhaps wrapped (DDP, compile). lr (N,3,h,w), hr (N,3,h*r,w*r), [0,1].
        """
        ...


class PixelObjective:
    """L1 (EDSR, section 3.3: better PSNR than L2 though L2 is what PSNR measures) or L2 between picture and truth."""

    turns: tuple[str, ...] = ("model",)

    def __init__(self, recipe: Recipe) -> None:
        self.networks: dict[str, nn.Module] = {"model": build_model(recipe.architecture, recipe.config)}
        self.distance = {"l1": F.l1_loss, "l2": F.mse_loss}[recipe.loss]

    def loss(self, turn: str, networks: dict[str, nn.Module], lr: Tensor, hr: Tensor) -> tuple[Tensor, Losses]:
        loss = self.distance(networks[turn](lr).float(), hr)
        return loss, {"loss": loss.detach()}


def build_objective(recipe: Recipe) -> Objective:
    """The recipe's objective with fresh networks, initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    return {"pixel": PixelObjective}[recipe.objective](recipe)
