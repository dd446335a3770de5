"""Versions of a model in storage, and which of them serves.

    register(storage, checkpoint, card=text, metrics=figures, features=distribution, lineage=Lineage(run="r1"))
    promote(storage, "edsr_x4", "3")
    rollback(storage, "edsr_x4")
    withdraw(storage, "edsr_x4", "3")       # if it serves: the one before does, or none

    models/{name}/{version}/version.json            the record, written last: without it there is no version
    models/{name}/{version}/{name}.safetensors      the checkpoint; {name}.md beside it is its card
    models/{name}/{version}/metrics.json            what was measured; features.json: the reference distribution
    models/{name}/{version}/config/, model-store/   TorchServe's layout; an InferenceService points at {version}/
    models/{name}/serving.json                      the pointer: the version that serves, and every change of it

What is guaranteed. A version never changes once its record is there. The pointer is one object, written whole:
a reader sees the state before or after a change, never between. Storage has no compare-and-swap, so of two
changes at the same moment the later one wins and the other may be missing from the history; and two writers that
register one version at the same moment may mix their files: ``promote`` refuses a checkpoint that is not the record's.
"""

import hashlib
import json
import logging
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from loupe.checkpoint import read_info
from loupe.errors import InvalidOption, ModelNotFound, StorageError, VersionConflict
from loupe.records import (
    NAME,
    POINTER,
    RECORD,
    ROOT,
    Change,
    Lineage,
    ModelVersion,
    Pointer,
    checked_name,
    folder_of,
)
from loupe.storage import CHUNK, KeyNotFound, Storage

logger = logging.getLogger(__name__)

TORCHSERVE = ("config/config.properties", "config/metrics.yaml", "model-store/{name}.mar")
M = TypeVar("M", bound=BaseModel)


def register(
    storage: Storage,
    checkpoint: Path,
    *,
    card: str,
    metrics: Mapping[str, float],
    features: Mapping[str, object],
    lineage: Lineage,
    layout: Path | None = None,
) -> ModelVersion:
    """Store a version whose name and number the checkpoint itself says, as every result made with it will.

    ``features`` is the reference distribution, as JSON; ``layout`` a folder by ``serving.archive`` (without it,
    TorchServe cannot serve the version). Raises VersionConflict if it is there, CheckpointError, StorageError.
    """
    info = read_info(checkpoint)
    folder = folder_of(info.name, info.version)
    if storage.exists(f"{folder}/{RECORD}"):
        raise VersionConflict(
            f"{info.name} version {info.version} is registered already and versions do not change; "
            f"save the checkpoint as another, such as {next_version(storage, info.name)}"
        )
    try:
        with checkpoint.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        sources = _layout_files(layout, info.name, sha256) if layout else {}
        sources[f"{info.name}.safetensors"] = checkpoint
        record = ModelVersion(
            name=info.name, version=info.version, metrics=dict(metrics), lineage=lineage, sha256=sha256
        )
        texts = {
            f"{info.name}.md": card,
            "metrics.json": json.dumps(record.metrics, indent=2),
            "features.json": json.dumps(features, indent=2, allow_nan=False),
        }
        for entry in list(storage.list(f"{folder}/")):  # of a writer that did not get as far as the record
            storage.delete(entry.key)
        for name, path in sources.items():
            with path.open("rb") as file:
                storage.write(f"{folder}/{name}", file)
    except OSError as error:
        raise StorageError(f"{error.filename}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # pydantic's too: a figure that is not finite
        raise InvalidOption(f"{info.name} version {info.version} cannot be registered: {error}") from error
    for name, text in texts.items():
        storage.write(f"{folder}/{name}", text.encode(), media_type=_media_type(name))
    storage.write(f"{folder}/{RECORD}", _dump(record), media_type="application/json")
    return record


def list_versions(storage: Storage, name: str | None = None) -> list[ModelVersion]:
    """All versions, of one model or of all, by model, the oldest first. A damaged one is logged and left out."""
    found = []
    for entry in storage.list(f"{ROOT}/{checked_name(name)}/" if name is not None else f"{ROOT}/"):
        parts = entry.key.split("/")
        if len(parts) == 4 and parts[3] == RECORD:
            try:
                found.append(show(storage, parts[1], parts[2]))
            except (ModelNotFound, InvalidOption, VersionConflict) as error:
                logger.warning("left out: %s", error)
    return sorted(found, key=lambda version: (version.name, version.lineage.created, version.version))


def show(storage: Storage, name: str, version: str) -> ModelVersion:
    """One version. Raises ModelNotFound, naming those there are."""
    key = f"{folder_of(name, version)}/{RECORD}"
    try:
        record = _parse(ModelVersion, storage.read(key), key)
    except KeyNotFound as error:
        there = ", ".join(each.version for each in list_versions(storage, name))
        raise ModelNotFound(
            f"version of {name}: got {version!r}, expected one of: {there}"
            if there
            else f"there are no versions of {name} in storage; register one, or see `loupe registry list`"
        ) from error
    if (record.name, record.version) != (name, version):
        raise VersionConflict(f"{key}: is the record of {record.name} version {record.version}; it was moved there")
    pointer = read_pointer(storage, name)
    return record.model_copy(update={"stage": pointer.stage_of(version) if pointer else "candidate"})


def promote(storage: Storage, name: str, version: str) -> Pointer:
    """Let ``version`` serve. Again for the one that does changes nothing, so a step can be repeated.

    Raises ModelNotFound, and VersionConflict if the checkpoint in storage is not the one that was registered.
    """
    record = show(storage, name, version)
    pointer = read_pointer(storage, name)
    if pointer and pointer.current == version:
        return pointer
    try:
        sha256 = hash_of(storage, record.checkpoint)
    except KeyNotFound as error:
        raise VersionConflict(f"{name} version {version} has no checkpoint in storage; register it again") from error
    if sha256 != record.sha256:
        raise VersionConflict(
            f"{name} version {version}: the checkpoint's sha256 is {sha256}, expected {record.sha256}; "
            "it was changed since, or two writers registered it at once. Register another version."
        )
    return _change(storage, name, pointer, "promote", version)


def rollback(storage: Storage, name: str, *, failed: str | None = None) -> Pointer:
    """Let the version serve that did before. With ``failed``, only while that one serves: a check that fails late
    must not take back somebody's newer version, nor a repeated step roll back twice.

    Raises ModelNotFound when there is none before, VersionConflict when another than ``failed`` serves.
    """
    pointer = read_pointer(storage, name)
    if pointer is None:
        raise ModelNotFound(f"no version of {name} serves, so there is none before it; promote one")
    if failed is not None and failed != pointer.current:
        raise VersionConflict(f"{name}: version {pointer.current} serves, not {failed}; nothing is rolled back")
    if not pointer.before:
        raise ModelNotFound(f"{name}: no version served before {pointer.current}; promote another instead")
    previous = show(storage, name, pointer.before[-1])
    return _change(storage, name, pointer, "rollback", previous.version)


def withdraw(storage: Storage, name: str, version: str) -> Pointer | None:
    """See to it that ``version``, which failed, does not serve: the one before it does, or none. What serves then.

    Changes nothing where another serves, so a step can be repeated. Where none is left there is no pointer, as before
    the first promotion: servers go back to what ships under that name, if anything does.
    """
    pointer = read_pointer(storage, name)
    if pointer is None or pointer.current != version:
        return pointer
    try:
        return rollback(storage, name, failed=version)
    except ModelNotFound:  # the first, or the one before has been deleted
        storage.delete(f"{ROOT}/{name}/{POINTER}")
        return None


def serving_version(storage: Storage, name: str) -> ModelVersion | None:
    """The version that serves, or None. Raises ModelNotFound if it has been deleted."""
    pointer = read_pointer(storage, name)
    return show(storage, name, pointer.current) if pointer else None


def serving_models(storage: Storage) -> list[str]:
    """The names of the models of which a version serves."""
    parts = [entry.key.split("/") for entry in storage.list(f"{ROOT}/")]
    return [part[1] for part in parts if len(part) == 3 and part[2] == POINTER and NAME.fullmatch(part[1])]


def next_version(storage: Storage, name: str) -> str:
    """One more than the largest whole number among the versions: "1" at first."""
    numbers = [int(each.version) for each in list_versions(storage, name) if each.version.isdecimal()]
    return str(max(numbers, default=0) + 1)


def read_pointer(storage: Storage, name: str) -> Pointer | None:
    """What serves and what did, or None before the first promotion."""
    key = f"{ROOT}/{checked_name(name)}/{POINTER}"
    try:
        return _parse(Pointer, storage.read(key), key)
    except KeyNotFound:
        return None


def hash_of(storage: Storage, key: str) -> str:
    """The sha256 of what is stored. Raises KeyNotFound, StorageError."""
    digest = hashlib.sha256()
    with storage.open_read(key) as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _change(
    storage: Storage, name: str, pointer: Pointer | None, action: Literal["promote", "rollback"], version: str
) -> Pointer:
    change = Change(action=action, version=version, at=datetime.now(UTC))
    pointer = Pointer(current=version, history=(*(pointer.history if pointer else ()), change))
    storage.write(f"{ROOT}/{name}/{POINTER}", _dump(pointer), media_type="application/json")
    return pointer


def _layout_files(layout: Path, name: str, sha256: str) -> dict[str, Path]:
    """TorchServe's files. Raises StorageError if some are missing, VersionConflict if others' weights are in them."""
    files = {part.format(name=name): layout / part.format(name=name) for part in TORCHSERVE}
    there = {key: path for key, path in files.items() if path.is_file()}
    missing = files.keys() - there.keys() - {"config/metrics.yaml"}
    if missing:
        raise StorageError(f"{layout}: no {', '.join(sorted(missing))}; expected a folder written by serving.archive")
    archive = there[f"model-store/{name}.mar"]
    try:
        with zipfile.ZipFile(archive) as packed:
            inside = hashlib.sha256(packed.read(f"{name}.safetensors")).hexdigest()
    except (zipfile.BadZipFile, KeyError) as error:
        raise StorageError(f"{archive}: not an archive of {name}: {error}; write it by serving.archive") from error
    if inside != sha256:
        raise VersionConflict(f"{archive}: holds another checkpoint than the one to register; pack that one")
    return there


def _dump(model: BaseModel) -> bytes:
    return model.model_dump_json(indent=2, exclude={"stage"}).encode()


def _parse(kind: type[M], data: bytes, key: str) -> M:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        advice = "delete it and promote again" if kind is Pointer else "delete it and register again"
        raise VersionConflict(f"{key}: damaged, or not written by Loupe; {advice}: {error}") from error


def _media_type(name: str) -> str:
    return "text/markdown; charset=utf-8" if name.endswith(".md") else "application/json"
