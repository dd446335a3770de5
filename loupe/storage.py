"""Where bytes are kept: a folder (``file://``) or a bucket (``s3://``), alike to whoever uses them.

    storage = open_storage("s3://bucket/prefix")        # or file://folder, file:///absolute/folder
    storage.write("results/ab12.png", data, media_type="image/png")
    for entry in storage.list("results/"): ...

A write is whole or not there: readers never see half of it, and a failure leaves nothing behind. Folders are
here; loupe/s3.py, imported when first needed, is the only file that speaks MinIO.
"""

import errno
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from loupe.errors import StorageError

ANY = "application/octet-stream"
TEMPORARY = ".loupe-part-"
CHUNK = 1024**2

_SPACE = "Free some space, or choose another place."
_PERMISSION = "Ask for permission there, or choose another place."
ADVICE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "Raise the limit of a file's size, or choose another place.",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "That file system is read-only; choose another place.",
}


class KeyNotFound(StorageError):
    """Nothing is stored under that key."""

    status = 404


@dataclass(frozen=True)
class Entry:
    """One stored key; ``size`` in bytes, ``modified`` with a time zone."""

    key: str
    size: int
    modified: datetime


class Storage(Protocol):
    """Keys are relative paths with ``/``. Every method raises StorageError; reading may raise KeyNotFound."""

    def read(self, key: str) -> bytes: ...

    def open_read(self, key: str) -> BinaryIO:
        """A stream, to be closed by the caller."""

    def write(self, key: str, data: bytes | BinaryIO, media_type: str = ANY) -> None:
        """Replace what is there, all at once. A stream is read to its end in pieces."""

    def exists(self, key: str) -> bool: ...

    def delete(self, key: str) -> None:
        """Without complaint when there is nothing."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Entries whose keys begin with ``prefix`` (a part of a name will do), sorted by key."""


def open_storage(uri: str) -> Storage:
    """The storage at file://folder, file:///absolute/folder or s3://bucket/prefix; nothing is contacted yet.

    S3 is configured by S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and
    AWS_REGION in the environment.
    """
    parts = urlsplit(uri)
    place = unquote(parts.netloc + parts.path)
    if parts.scheme == "file" and place.strip("/"):
        return FileStorage(Path(place))
    if parts.scheme == "s3" and parts.netloc:
        from loupe.s3 import from_environment

        return from_environment(parts.netloc, unquote(parts.path).strip("/"))
    raise StorageError(f"Not a storage address: got {uri!r}, expected file://folder or s3://bucket/prefix")


class FileStorage:
    """A folder; it is made with the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, key: str) -> bytes:
        path = self._path(key)
        with _told("read", path):
            return path.read_bytes()

    def open_read(self, key: str) -> BinaryIO:
        path = self._path(key)
        with _told("read", path):
            return path.open("rb")

    def write(self, key: str, data: bytes | BinaryIO, media_type: str = ANY) -> None:  # noqa: ARG002 - for S3
        path = self._path(key)
        temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        with _told("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as file:
                    shutil.copyfileobj(io.BytesIO(data) if isinstance(data, bytes) else data, file, CHUNK)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                with suppress(OSError):  # after success there is nothing to remove
                    temporary.unlink()
            _sync_folder(path.parent)

    def exists(self, key: str) -> bool:
        path = self._path(key)
        with _told("look for", path):
            return path.is_file()

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _told("delete", path):
            path.unlink(missing_ok=True)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        folder = self.root / checked_prefix(prefix).rpartition("/")[0]
        with _told("list", folder):
            paths = [Path(base, name) for base, _, names in os.walk(folder, onerror=_refuse) for name in names]
        for key, path in sorted((path.relative_to(self.root).as_posix(), path) for path in paths):
            if key.startswith(prefix) and not path.name.startswith(TEMPORARY):
                with _told("list", path), suppress(FileNotFoundError):  # deleted since
                    status = path.stat()
                    yield Entry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)


def checked_key(key: str) -> str:
    """``key`` itself, if it can name something under a root and nothing outside it; else StorageError."""
    parts = key.split("/")
    if (
        any(part in ("", ".", "..") or part.startswith(TEMPORARY) for part in parts)
        or any(character < " " or character in "\\\x7f" or "\ud800" <= character <= "\udfff" for character in key)
        or len(key.encode()) > 1024  # S3's own limit
    ):
        raise StorageError(
            f"Not a storage key: got {key[:200]!r}, expected a relative path without '..', empty parts, "
            "backslashes or control characters, of at most 1024 bytes"
        )
    return key


def checked_prefix(prefix: str) -> str:
    """Like checked_key, but it may be empty and may end within a name or in ``/``."""
    checked_key(f"{prefix}x")
    return prefix


@contextmanager
def _told(verb: str, path: Path) -> Iterator[None]:
    """Turns what the file system says into our errors, with the next step where we know one."""
    try:
        yield
    except FileNotFoundError as error:
        raise KeyNotFound(f"Cannot {verb} {path}: there is no such file") from error
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "")
        raise StorageError(f"Cannot {verb} {path}: {error.strerror or error}. {advice}".rstrip()) from error


def _refuse(error: OSError) -> None:
    """For os.walk, which passes over what it may not see; a folder that is not there has nothing in it."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync_folder(folder: Path) -> None:
    """Make a new name survive a power cut, not only the file's bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
