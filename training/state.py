"""All that a stopped run needs to go on as if it had never stopped, in one safetensors file (never pickle).

Networks, EMA and optimizers of every name, the step, the best figure so far and the RNG. Data needs nothing
(``training.data``), nor does the schedule (``training.schedule``).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from loupe.errors import CheckpointError


@dataclass
class State:
    """What changes while training. ``step`` is the number of steps done."""

    networks: dict[str, nn.Module]
    ema: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    step: int = 0
    best: float = float("-inf")  # higher is better: a Metric's figure times its sign

    def tensors(self) -> dict[str, Tensor]:
        out = {f"ema.{name}": tensor for name, tensor in self.ema.state_dict().items()}
        for network, module in self.networks.items():
            out |= {f"network.{network}.{name}": tensor for name, tensor in module.state_dict().items()}
        for network, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                out |= {f"optimizer.{network}.{index}.{name}": tensor for name, tensor in values.items()}
        return out


def save_state(path: Path, state: State, recipe: str) -> None:
    """Write atomically. The RNG of the CPU is saved too; on a GPU nothing here draws random numbers there."""
    tensors = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in state.tensors().items()}
    tensors["rng"] = torch.get_rng_state()
    meta = {"step": str(state.step), "best": json.dumps(state.best), "recipe": recipe}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, temporary, metadata=meta)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be written: {error}; the run goes on from the last one") from error
    finally:
        temporary.unlink(missing_ok=True)


def restore_state(path: Path, state: State, recipe: str) -> None:
    """Fill ``state`` from ``path``. CheckpointError if it is another recipe's or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}; delete it to start anew") from error
    if meta.get("recipe") != recipe:
        raise CheckpointError(
            f"{path}: this run was started with other settings; continue it with those, or give another --output"
        )
    try:
        state.ema.load_state_dict(_below("ema.", tensors))
        for network, module in state.networks.items():
            module.load_state_dict(_below(f"network.{network}.", tensors))
        for network, optimizer in state.optimizers.items():
            _fill_optimizer(optimizer, _below(f"optimizer.{network}.", tensors))
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit this recipe: {error}") from error
    torch.set_rng_state(tensors["rng"])
    state.step, state.best = int(meta["step"]), float(json.loads(meta["best"]))


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _fill_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    values: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, field = name.split(".", 1)
        values.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
