"""A checkpoint is one ``.safetensors``: the weights, and in its metadata all that is needed to use them.

    save_checkpoint(path, model, info)
    model, info = load_model(path)      # no flags: the architecture and its config are inside
    info = read_info(path)              # the header alone, and no torch

Never pickle. Weights are stored in half precision unless asked otherwise and come back as float32.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from loupe.errors import CheckpointError, InvalidOption

if TYPE_CHECKING:
    import torch
    from torch import nn

METADATA_KEY = "loupe"
Kind = Literal["enlarger", "sampler"]
SAMPLERS = frozenset({"pixel_recursive", "independent_pixels"})  # they draw one of many answers; all others enlarge
DOES: dict[Kind, str] = {
    "enlarger": "enlarges pictures (`loupe upscale`, /api/upscale)",
    "sampler": "draws from a sketch (`loupe draw`, /api/draw)",
}


class CheckpointInfo(BaseModel):
    """What a checkpoint says of itself. ``metrics`` are measured, their protocol is in the model card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="edsr_x4")
    version: str = Field(default="1", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    architecture: str = Field(description="a key of loupe.models.MODELS")
    config: dict[str, Any] = Field(description="the fields of the architecture's Config")
    scale: int = Field(ge=1, le=16)
    parameters: int = Field(ge=0)
    summary: str = Field(default="", description="one line for a person choosing a model")
    metrics: dict[str, float] = Field(default_factory=dict)
    data: str = Field(default="", description="what it was trained on")
    license: str = ""

    @property
    def kind(self) -> Kind:
        """What the model is for: it follows from the architecture, and the two are never offered for each other."""
        return "sampler" if self.architecture in SAMPLERS else "enlarger"


def require_kind(name: str, got: Kind, expected: Kind) -> None:
    """Raise InvalidOption, which says what the model is for, unless it is of the kind that is needed."""
    if got != expected:
        raise InvalidOption(f"model: got {name}, which {DOES[got]}, expected one that {DOES[expected]}")


def read_info(path: Path) -> CheckpointInfo:
    """Read the metadata only. Raises CheckpointError for anything that is not a checkpoint of ours."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name}: not a safetensors file that can be read: {error}") from error
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f"{path.name}: no {METADATA_KEY!r} in its metadata, expected a checkpoint written by Loupe"
        )
    try:
        return CheckpointInfo.model_validate_json(metadata[METADATA_KEY])
    except ValidationError as error:
        raise CheckpointError(f"{path.name}: metadata does not fit: {error}") from error


def load_model(path: Path) -> tuple[nn.Module, CheckpointInfo]:
    """Build the model that the checkpoint names and fill it: float32, on the CPU, in eval mode.

    Raises CheckpointError for an unknown architecture, weights that do not fit it, or values that are not finite.
    """
    import torch
    from safetensors.torch import load_file

    info = read_info(path)
    model = build_model(info.architecture, info.config)
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name}: cannot be read: {error}") from error
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path.name}: {name} holds NaN or infinity; it was damaged or its training diverged")
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"{path.name}: the weights do not fit {info.architecture} {info.config}: {error}"
        ) from error
    return model.eval(), info


def build_model(architecture: str, config: dict[str, Any]) -> nn.Module:
    """An untrained model from its name and the fields of its Config. Raises CheckpointError."""
    from loupe.models import MODELS

    if architecture not in MODELS:
        raise CheckpointError(f"architecture: got {architecture!r}, expected one of {', '.join(MODELS)}")
    config_class, model_class = MODELS[architecture]
    try:
        return model_class(config_class(**config))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"config of {architecture}: {error}") from error


def save_checkpoint(path: Path, model: nn.Module, info: CheckpointInfo, *, dtype: torch.dtype | None = None) -> None:
    """Write atomically: a temporary name beside ``path``, then a rename. Half precision unless ``dtype`` says."""
    import torch
    from safetensors.torch import save_file

    state = {
        name: tensor.detach().to("cpu", dtype or torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(state, temporary, metadata={METADATA_KEY: info.model_dump_json()})
        temporary.chmod(0o644)  # safetensors gives it to its owner alone; a server may run as another user
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def describe(model: nn.Module, *, name: str, architecture: str, scale: int, **more: Any) -> CheckpointInfo:
    """The info of a model whose ``config`` is a dataclass: its fields and its number of parameters filled in."""
    return CheckpointInfo(
        name=name,
        architecture=architecture,
        scale=scale,
        config=dataclasses.asdict(cast(Any, model.config)),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        **more,
    )
