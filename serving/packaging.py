"""A trained checkpoint as a package: everything that a version of a model is, in one folder.

    package = make_package(folder, checkpoint, assessment, version="3", features=reference, lineage=lineage, picture=lr)
    read_package(folder).info.version

    {name}.safetensors                  under its version's number, with the figures of the assessment
    {name}.md                           the model card
    metrics.json, features.json         figures, and the distribution of features that it was trained on
    config/, model-store/{name}.mar     TorchServe's layout, as an InferenceService mounts it
    lineage.json                        data, run, recipe
    smoke/input.png, expected.png       a real picture, and what the checkpoint makes of it on a CPU

Written under a temporary name, then renamed. ``serving/publishing.py`` registers it, ``serving/smoke.py`` tries it.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from loupe.assessing import hash_weights
from loupe.assessment import Assessment, AssessmentError
from loupe.backends import TorchBackend
from loupe.checkpoint import CheckpointInfo, load_model, read_info, save_checkpoint
from loupe.distribution import Distribution
from loupe.errors import CheckpointError, InvalidOption, StorageError
from loupe.images import Picture, encode
from loupe.records import Lineage
from loupe.registry import WEIGHTS
from loupe.storage import Storage
from loupe.upscale import Upscaler
from loupe.versions import next_version
from serving.archive import write_layout
from serving.model_card import write_card
from serving.runtimes import MODELS
from serving.settings import ServingSettings

ABOUT = ("parameters", "bytes", "seconds_per_megapixel")  # of the file and of a machine, not of its quality
INPUT, EXPECTED = "smoke/input.png", "smoke/expected.png"


@dataclass(frozen=True)
class Package:
    """A package that was read; all of it is there."""

    folder: Path
    info: CheckpointInfo
    metrics: dict[str, float]
    features: dict[str, object]
    lineage: Lineage
    card: str

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.info.name}.safetensors"


def make_package(
    folder: Path,
    checkpoint: Path,
    assessment: Assessment,
    *,
    version: str,
    features: Distribution,
    lineage: Lineage,
    picture: NDArray[np.uint8],
) -> Package:
    """Write the package; ``picture`` (h,w,3) is what it is tried on. What was in ``folder`` is replaced.

    Raises AssessmentError if another checkpoint was assessed, CheckpointError, StorageError.
    """
    model, info = load_model(checkpoint)
    if assessment.weights_sha256 != hash_weights(checkpoint):
        raise AssessmentError(
            f"{checkpoint}: got an assessment of {assessment.model} version {assessment.version} with other weights; "
            "evaluate this checkpoint"
        )
    metrics = {name: round(value, 4) for name, value in assessment.headline().items() if name not in ABOUT}
    info = info.model_copy(update={"version": version, "metrics": metrics})
    bicubic = {f"bicubic_{name}": value for name, value in assessment.figures("bicubic").items()}
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        saved = partial / f"{info.name}.safetensors"
        save_checkpoint(saved, model, info)
        write_layout(partial, [info.name], _settings(partial), mounted_at=Path(MODELS))
        texts = {
            f"{info.name}.md": write_card(info, assessment, lineage),
            "metrics.json": json.dumps({**assessment.figures(), **bicubic}, indent=1),
            "features.json": features.model_dump_json(indent=1),
            "lineage.json": lineage.model_dump_json(indent=1),
        }
        for name, text in texts.items():
            (partial / name).write_text(text, "utf-8")
        (partial / "smoke").mkdir()
        for name, data in zip((INPUT, EXPECTED), _example(saved, picture), strict=True):
            (partial / name).write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise StorageError(f"{folder}: the package cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_package(folder)


def read_package(folder: Path) -> Package:
    """What ``make_package`` wrote. Raises StorageError if something is missing or damaged."""
    checkpoints = sorted(folder.glob("*.safetensors"))
    try:
        (checkpoint,) = checkpoints
        info = read_info(checkpoint)
        texts = {name: (folder / name).read_text("utf-8") for name in ("metrics.json", "features.json", "lineage.json")}
        if missing := [name for name in (INPUT, EXPECTED) if not (folder / name).is_file()]:
            raise StorageError(f"{folder}: no {', '.join(missing)}; package again")
        return Package(
            folder=folder,
            info=info,
            metrics=json.loads(texts["metrics.json"]),
            features=json.loads(texts["features.json"]),
            lineage=Lineage.model_validate_json(texts["lineage.json"]),
            card=(folder / f"{info.name}.md").read_text("utf-8"),
        )
    except (OSError, CheckpointError, ValidationError, ValueError) as error:
        what = error if len(checkpoints) == 1 else f"got {len(checkpoints)} checkpoints, expected one"
        raise StorageError(f"{folder}: no package, or a damaged one ({what}); package again") from error


def free_version(storage: Storage, name: str) -> str:
    """The number of the next version; not that of a checkpoint of this name that ships, as results are kept by it."""
    number, shipped = next_version(storage, name), WEIGHTS / f"{name}.safetensors"
    taken = read_info(shipped).version if shipped.exists() else ""
    return str(max(int(number), int(taken) + 1)) if taken.isdecimal() else number


def lineage_of(data: Iterable[str], *, run: str, recipe: str) -> Lineage:
    """``data`` are the versions of the data of all shards. Raises InvalidOption unless they agree."""
    versions = sorted(set(data))
    if len(versions) != 1:
        raise InvalidOption(f"shards: got data of versions {', '.join(versions) or 'none'}, expected one and the same")
    return Lineage(data=versions[0], run=run, recipe=recipe)


def _settings(folder: Path) -> ServingSettings:
    """Of TorchServe in a pod, where it listens on all addresses."""
    return ServingSettings(models_dir=folder, http_host="0.0.0.0")  # noqa: S104


def _example(checkpoint: Path, picture: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """The picture and the enlarged one as PNG, by the file as it was saved: rounded to half precision."""
    backend = TorchBackend(*load_model(checkpoint), device="cpu")
    given = Picture(color=picture)
    return encode(given, "PNG"), encode(Upscaler(backend, tile=max(picture.shape[:2])).upscale(given), "PNG")
