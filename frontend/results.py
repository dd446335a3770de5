"""Finished pictures in storage, found again by what they were made of.

    key = result_key(data, model=..., version=..., options=...)
    results.find(key) or results.keep(key, picture, result)

Beside each picture lies a small JSON record; a result exists once its record does, and the record is written
last, so nothing half-written is ever found. Nothing is kept in the process: any replica can answer.
"""

import hashlib
import json
import re
import time
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from loupe import __version__
from loupe.storage import KeyNotFound, Storage

KEY = r"[0-9a-f]{64}"
PREFIX = "results/"
ORPHAN_SECONDS = 3600  # a picture without a record: a writer that died, or one that is about to write it


class Result(BaseModel):
    """The record of one result: what it is and how it came to be."""

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    input_width: int
    input_height: int
    format: str
    media_type: str
    bytes: int
    model: str
    version: str
    scale: int
    seconds: float
    tiles: int
    notes: tuple[str, ...]
    expires: float  # seconds since 1970


def result_key(data: bytes, *, model: str, version: str, options: BaseModel) -> str:
    """64 hex digits: a SHA-256 of the input's own SHA-256 and of all that decides what the result is."""
    recipe = json.dumps([__version__, model, version, options.model_dump()], sort_keys=True)
    return hashlib.sha256(hashlib.sha256(data).digest() + recipe.encode()).hexdigest()


class Results:
    """Blocking, like the storage below it: call from a thread."""

    def __init__(self, storage: Storage, *, ttl: float) -> None:
        self.storage = storage
        self.ttl = ttl

    def find(self, key: str) -> Result | None:
        """The result of that key, or None when there is none, it is too old, or the key is no key."""
        if not re.fullmatch(KEY, key):
            return None
        try:
            result = Result.model_validate_json(self.storage.read(_record(key)))
        except (KeyNotFound, ValidationError):  # none, or one written by another release
            return None
        if result.expires <= time.time() or not self.storage.exists(_picture(key)):
            return None
        return result

    def keep(self, key: str, picture: bytes, result: Result) -> None:
        """Store a finished picture, then its record. Raises StorageError."""
        self.storage.write(_picture(key), picture, media_type=result.media_type)
        self._write_record(key, result)

    def renew(self, key: str, result: Result) -> Result:
        """The same result with its time to live begun anew, so that one just asked for does not vanish."""
        if result.expires - time.time() > self.ttl / 2:
            return result
        renewed = result.model_copy(update={"expires": self.expiry()})
        self._write_record(key, renewed)
        return renewed

    def open(self, key: str) -> BinaryIO:
        """The picture's bytes, to be read and closed by the caller. Raises StorageError."""
        return self.storage.open_read(_picture(key))

    def expiry(self) -> float:
        """When a result written now expires."""
        return time.time() + self.ttl

    def sweep(self) -> int:
        """Remove what is too old; returns how many results went. Other replicas may do the same."""
        written = {entry.key: entry.modified for entry in self.storage.list(PREFIX)}
        removed = 0
        for key, modified in written.items():
            age = time.time() - modified.timestamp()
            if key.endswith(".json") and age > self.ttl:
                self.storage.delete(key)  # the record first: from here on nobody finds the result
                self.storage.delete(key.removesuffix(".json"))
                removed += 1
            elif not key.endswith(".json") and f"{key}.json" not in written and age > ORPHAN_SECONDS:
                self.storage.delete(key)
        return removed

    def _write_record(self, key: str, result: Result) -> None:
        self.storage.write(_record(key), result.model_dump_json().encode(), media_type="application/json")


def _picture(key: str) -> str:
    return f"{PREFIX}{key[:2]}/{key}"


def _record(key: str) -> str:
    return f"{_picture(key)}.json"
