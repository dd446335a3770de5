"""What storage says of a model's versions: the record of each, and the pointer to the one that serves.

Plain data and where it lies; ``loupe/versions.py`` reads and writes it.
"""

import re
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from loupe.errors import InvalidOption

ROOT = "models"
RECORD = "version.json"
POINTER = "serving.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")  # as in loupe.checkpoint.CheckpointInfo
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

Stage = Literal["candidate", "serving", "retired"]


class _Stored(BaseModel):
    """Readers of a later Loupe's fields pass over them, so that two releases can share a storage."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Lineage(_Stored):
    """Where a version comes from."""

    data: str = Field(default="", description="sha256 of the manifest of the training data")
    run: str = Field(default="", description="id of the pipeline's run")
    recipe: str = Field(default="", description="a key of training.recipes.RECIPES")
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class ModelVersion(_Stored):
    """The record of one version. ``stage`` follows from the pointer and is not part of what is stored."""

    name: str = Field(pattern=f"^{NAME.pattern}$")
    version: str = Field(pattern=f"^{VERSION.pattern}$")
    stage: Stage = "candidate"
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    lineage: Lineage
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the checkpoint")

    @property
    def checkpoint(self) -> str:
        """The checkpoint's key."""
        return f"{folder_of(self.name, self.version)}/{self.name}.safetensors"


class Change(_Stored):
    """One change of the pointer; ``version`` serves from then on."""

    action: Literal["promote", "rollback"]
    version: str
    at: AwareDatetime


class Pointer(_Stored):
    """Which version serves; ``history`` is all changes, oldest first, the last one being ``current``."""

    current: str = Field(pattern=f"^{VERSION.pattern}$")
    history: tuple[Change, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if not self.history or self.history[-1].version != self.current:
            raise ValueError(f"the last change is not to {self.current}")
        if self.history[0].action == "rollback":
            raise ValueError("it begins with a roll-back")
        return self

    @property
    def before(self) -> list[str]:
        """The versions that roll-backs lead to, the next one last."""
        served: list[str] = []
        for change in self.history:
            if change.action == "promote":
                served.append(change.version)
            else:
                del served[-1:]
        return served[:-1]

    def stage_of(self, version: str) -> Stage:
        if version == self.current:
            return "serving"
        return "retired" if any(change.version == version for change in self.history) else "candidate"


def folder_of(name: str, version: str) -> str:
    """``models/{name}/{version}``: what a ``storageUri`` ends with. Raises InvalidOption."""
    if not VERSION.fullmatch(version) or version == POINTER:
        raise InvalidOption(f"version: got {version!r}, expected letters, digits, '.', '_' and '-', at most 63")
    return f"{ROOT}/{checked_name(name)}/{version}"


def checked_name(name: str) -> str:
    """``name`` itself, if it can be a model's; else InvalidOption."""
    if not NAME.fullmatch(name):
        raise InvalidOption(f"model: got {name!r}, expected a-z, 0-9, '_' and '-', at most 63")
    return name
