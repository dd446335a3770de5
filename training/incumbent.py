"""The model that a candidate has to beat: from storage, or of those that ship, and measured on the same pictures.

judgement = judge(checkpoint, assessment, manifest, GateRules(), storage="s3://bucket/prefix")
judgement.decision.answer
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from loupe.assessing import assess, hash_file, hash_pictures, hash_weights, one_thread_beside
from loupe.assessment import Assessment, AssessmentError
from loupe.backends import LocalBackend, load_backend
from loupe.checkpoint import CheckpointInfo, read_info
from loupe.contact_sheet import Sheet, make_sheet
from loupe.errors import InvalidOption
from loupe.evaluation import enlarging
from loupe.promoted import copy_serving
from loupe.registry import WEIGHTS
from loupe.settings import Settings
from loupe.storage import FileStorage, open_storage
from loupe.versions import serving_version
from training.benchmarks import Benchmarks, find_benchmarks
from training.gate import Decision, GateRules, decide
from training.manifest import Manifest


@dataclass(frozen=True)
class Judgement:
    """The decision with what it rests on."""

    decision: Decision
    candidate: Assessment
    incumbent: Assessment | None
    sheet: Sheet


@contextmanager
def incumbent_checkpoint(storage: str, model: str) -> Iterator[Path | None]:
    """The checkpoint of the version that serves; else of the model of that name that ships; else None.

    Raises ModelNotFound, VersionConflict, StorageError.
    """
    opened, shipped = open_storage(storage), WEIGHTS / f"{model}.safetensors"
    version = serving_version(opened, model)
    if version is None:
        yield shipped if shipped.is_file() else None
        return
    with TemporaryDirectory() as folder:
        copy_serving(opened, FileStorage(Path(folder)), model)
        yield Path(folder) / version.checkpoint


def judge(
    checkpoint: Path,
    assessment: Assessment,
    manifest: Manifest,
    rules: GateRules,
    *,
    model: str = "",
    storage: str = "",
    folders: Sequence[str] = (),
    settings: Settings | None = None,
) -> Judgement:
    """Decide on ``checkpoint``, of which ``assessment`` was made on the same ``folders`` or ``manifest``.

    Raises AssessmentError, InvalidOption, and what reading storage and pictures raises.
    """
    settings, info = settings or Settings(), read_info(checkpoint)
    model = model or info.name
    if info.name != model:
        raise InvalidOption(
            f"model: got {model!r}, expected {info.name!r}, as the checkpoint says; train it as {model}"
        )
    if hash_file(checkpoint) != assessment.sha256:
        raise AssessmentError(f"got an assessment of another checkpoint than {checkpoint.name}; evaluate that one")
    benchmarks = find_benchmarks(manifest, folders, info.scale)
    hashes = hash_pictures(benchmarks, info.scale, assessment.robust_pictures, assessment.robust_side)
    if hashes.evaluated_on != assessment.evaluated_on:
        raise AssessmentError(
            f"got an assessment on {', '.join(assessment.benchmarks)}, expected one on the same pictures of "
            f"{', '.join(benchmarks)}; give evaluate and gate the same benchmarks"
        )
    pairs = [pair for group in benchmarks.values() for pair in group]
    backend, incumbent = load_backend(checkpoint, settings), None
    models = {"candidate": backend}
    with one_thread_beside(backend), incumbent_checkpoint(storage or settings.storage, model) as path:
        if path:
            _require_scale(read_info(path), info.scale)
            other = load_backend(path, settings)
            incumbent = _measure(path, other, assessment, benchmarks, settings)
            if incumbent.weights_sha256 != assessment.weights_sha256:
                models[f"version {incumbent.version}"] = other
        decision = decide(assessment, incumbent, rules)
        columns = {name: enlarging(each, settings.limits) for name, each in models.items()}
        sheet = make_sheet(pairs, columns, info.scale, limits=settings.limits)
    return Judgement(decision, assessment, incumbent, sheet)


def _require_scale(incumbent: CheckpointInfo, scale: int) -> None:
    if incumbent.scale != scale:
        raise InvalidOption(
            f"{incumbent.name}: got a candidate of factor {scale}, expected {incumbent.scale}, that of version "
            f"{incumbent.version}, which serves; give the candidate a name of its own"
        )


def _measure(
    path: Path, backend: LocalBackend, candidate: Assessment, benchmarks: Benchmarks, settings: Settings
) -> Assessment:
    """The incumbent as the candidate was: with its features, so that the slices are the same."""
    if hash_weights(path) == candidate.weights_sha256:  # the same weights have the same figures
        return candidate.model_copy(update={"version": backend.version, "sha256": hash_file(path)})
    return assess(
        path,
        benchmarks,
        features=candidate.qualities,
        backend=backend,
        settings=settings,
        robust_pictures=candidate.robust_pictures,
        robust_side=candidate.robust_side,
    )
