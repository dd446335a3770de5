"""The checkpoints of promoted versions, as files: in place in a folder, downloaded once from a bucket.

    for path in promoted_checkpoints(Settings(storage="s3://bucket/prefix")): ...

What is downloaded lies in ``cache_dir`` under the same keys, so that a copy of storage as it was last seen
answers while storage does not. No failure of storage leaves this module: other models must not suffer from it.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from loupe.errors import LoupeError, VersionConflict
from loupe.records import POINTER, RECORD, ROOT, folder_of
from loupe.settings import Settings
from loupe.storage import FileStorage, Storage, open_storage
from loupe.versions import hash_of, serving_models, serving_version, show

logger = logging.getLogger(__name__)

FRESH_SECONDS = 30.0  # how long a look at a bucket is believed: the page's server asks for models all the time
NOTHING: Mapping[str, Path] = MappingProxyType({})


def promoted_checkpoints(settings: Settings, last: Mapping[str, Path] = NOTHING) -> list[Path]:
    """One checkpoint for each model of which a version serves. What fails is logged and left out.

    ``last`` is what was found before, by name: it counts on where storage cannot say, so that a server that runs loses
    nothing while storage is away.
    """
    try:
        storage = open_storage(settings.storage)
        if not isinstance(storage, FileStorage):
            period = int(time.monotonic() / FRESH_SECONDS)
            storage = _refreshed(settings.storage, settings.cache_dir.absolute(), period)
        names = serving_models(storage)
    except LoupeError as error:
        logger.warning("no promoted models%s: %s", " but those that were found last" if last else "", error)
        return list(last.values())
    found = []
    for name in names:
        try:
            version = serving_version(storage, name)
        except LoupeError as error:
            logger.warning("%s: %s", "left as it was" if name in last else "left out", error)
            found += [last[name]] if name in last else []
        else:
            found += [storage.root / version.checkpoint] if version else []
    return found


@lru_cache(maxsize=4)
def _refreshed(uri: str, cache_dir: Path, period: int) -> FileStorage:  # noqa: ARG001  # period is for lru_cache
    """The copy of the bucket at ``uri``, brought up to date if the bucket answers."""
    copy = FileStorage(cache_dir / hashlib.sha256(uri.encode()).hexdigest()[:16])
    try:
        storage = open_storage(uri)
        names = serving_models(storage)
        for name in set(serving_models(copy)) - set(names):
            copy.delete(f"{ROOT}/{name}/{POINTER}")
    except LoupeError as error:
        logger.warning("promoted models are those that were seen last: %s", error)
        return copy
    for name in names:
        try:
            copy_serving(storage, copy, name)
        except LoupeError as error:
            logger.warning("%s is the version that was seen last, if any: %s", name, error)
    return copy


def copy_serving(storage: Storage, copy: FileStorage, name: str) -> None:
    """Bring the version of ``name`` that serves into ``copy``, the pointer last. Raises as ``loupe.versions``."""
    pointer = storage.read(f"{ROOT}/{name}/{POINTER}")
    version = serving_version(storage, name)
    if version is None:
        return
    if not copy.exists(version.checkpoint) or hash_of(copy, version.checkpoint) != version.sha256:
        logger.info("downloading %s version %s", name, version.version)
        data = storage.read(version.checkpoint)
        if hashlib.sha256(data).hexdigest() != version.sha256:
            raise VersionConflict(f"{version.checkpoint} is not what was registered; promote another version")
        copy.write(version.checkpoint, data)
    record = f"{folder_of(name, version.version)}/{RECORD}"
    copy.write(record, storage.read(record))
    show(copy, name, version.version)
    copy.write(f"{ROOT}/{name}/{POINTER}", pointer)
