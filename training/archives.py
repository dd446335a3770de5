"""An archive of pictures from the net: downloaded with resume, checked against its checksum, unpacked safely.

    folder = fetch(Archive(url=..., size=..., sha256=..., folder="DIV2K_valid_HR", pictures=100), Path("data"))

Whatever stops it (a cut line, Ctrl-C, kill -9), the next call goes on where it was; ``folder`` appears by one
rename, so when it is there it is whole.
"""

import hashlib
import logging
import random
import shutil
import stat
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from loupe.errors import LoupeError

logger = logging.getLogger(__name__)

CHUNK = 1024**2
ATTEMPTS = 6  # without a single new byte; each new byte starts the count anew
MAX_MEMBERS = 20_000
MAX_GROWTH = 4  # bytes unpacked for each byte of the archive: pictures hardly compress, bombs do


class SourceError(LoupeError):
    """A source of pictures that cannot be had, or that is not what it should be."""

    exit_code = 21


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A .zip at ``url`` of ``size`` bytes that holds ``pictures`` files in one folder called ``folder``."""

    url: str
    size: int
    sha256: str
    folder: str
    pictures: int

    @property
    def name(self) -> str:
        return PurePosixPath(urlsplit(self.url).path).name


def fetch(archive: Archive, store: Path, *, quiet: bool = False) -> Path:
    """``store/archive.folder``, downloaded and unpacked if it is not there yet. Raises SourceError."""
    folder = store / archive.folder
    if folder.is_dir():
        return folder
    part = store / f"{archive.name}.part"
    try:
        store.mkdir(parents=True, exist_ok=True)
        _check_space(archive, part)
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn("{task.description}"), *columns, disable=quiet) as progress:
            _download(archive, part, progress)
            _verify(archive, part, progress)
            _unpack(archive, part, folder, progress)
        part.unlink()
    except OSError as error:
        raise SourceError(f"Cannot store {archive.name} in {store}: {error.strerror or error}") from error
    return folder


def _check_space(archive: Archive, part: Path) -> None:
    """The archive and its contents are there together for a while."""
    got = _size(part)
    needed, free = max(archive.size - got, 0) + archive.size, shutil.disk_usage(part.parent).free
    if free < needed:
        raise SourceError(
            f"{archive.name} needs {needed / 1e9:.2f} GB in {part.parent}, and {free / 1e9:.2f} GB are free. "
            "Free some space, or choose another folder."
        )


def _download(archive: Archive, part: Path, progress: Progress) -> None:
    """Fill ``part`` up to archive.size bytes, over as many connections as it takes."""
    task = progress.add_task(f"downloading {archive.name}", total=archive.size)
    failures, most = 0, _size(part)
    with httpx.Client(timeout=httpx.Timeout(30, connect=10), follow_redirects=True) as client:
        while _size(part) < archive.size:
            try:
                _download_once(client, archive, part, progress, task)
                reason = "the connection ended early"
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            now = _size(part)
            if now >= archive.size:
                break
            failures = 0 if now > most else failures + 1
            most = max(most, now)
            if failures == ATTEMPTS:
                raise SourceError(
                    f"Cannot download {archive.url}: {reason}. {now} of {archive.size} bytes are kept in {part}; "
                    "run the same command again to go on from there, or put the whole file there yourself."
                )
            wait = min(0.25 * 2**failures, 10) * random.uniform(1.0, 1.5)
            logger.info("%s: %s at byte %d; again in %.1f s", archive.url, reason, now, wait)
            time.sleep(wait)
        progress.update(task, completed=archive.size)


def _download_once(client: httpx.Client, archive: Archive, part: Path, progress: Progress, task: TaskID) -> None:
    """One connection's worth. Raises httpx.TransportError if another may help, SourceError if none does."""
    got = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={got}-"} if got else {})
    with client.stream("GET", archive.url, headers=headers) as response:
        if response.status_code in (429, 500, 502, 503, 504):
            raise httpx.TransportError(f"the server answered {response.status_code}")
        if response.status_code not in (200, 206):
            raise SourceError(
                f"Cannot download {archive.url}: the server answered {response.status_code} "
                f"{response.reason_phrase}. Get the file elsewhere and put it at {part}."
            )
        goes_on = response.headers.get("content-range", "").startswith(f"bytes {got}-")
        with part.open("ab" if response.status_code == 206 and goes_on else "wb") as file:
            for chunk in response.iter_bytes():  # as they come: gathering larger ones would lose the last at a cut
                if file.tell() + len(chunk) > archive.size:
                    part.unlink()
                    raise SourceError(f"{archive.url} has more than the {archive.size} bytes that it should have")
                file.write(chunk)
                progress.update(task, completed=file.tell())


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _verify(archive: Archive, part: Path, progress: Progress) -> None:
    task = progress.add_task(f"checking {archive.name}", total=archive.size)
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress.advance(task, len(chunk))
    if digest.hexdigest() != archive.sha256:
        part.unlink()
        raise SourceError(
            f"{archive.url}: SHA-256 is {digest.hexdigest()}, expected {archive.sha256}. The damaged file was "
            "deleted; run the same command again. If that does not help, the archive itself has changed."
        )


def _unpack(archive: Archive, part: Path, folder: Path, progress: Progress) -> None:
    """Unpack beside ``folder``, and rename once everything is there."""
    temporary = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(part) as opened:
            members = _checked_members(archive, opened)
            task = progress.add_task(f"unpacking {archive.name}", total=sum(member.file_size for member in members))
            temporary.mkdir()
            for member in members:
                with opened.open(member) as source, (temporary / Path(member.filename).name).open("xb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
                progress.advance(task, member.file_size)
        temporary.rename(folder)
    except zipfile.BadZipFile as error:
        raise SourceError(f"{part} is not a zip archive in order: {error}. Delete it, and try again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checked_members(archive: Archive, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of ``archive.folder``; SourceError for a name that leads elsewhere, a link, or a bomb."""
    entries = opened.infolist()
    files = [entry for entry in entries if not entry.is_dir()]
    for entry in files:
        path = PurePosixPath(entry.filename)
        is_link = stat.S_ISLNK(entry.external_attr >> 16)
        if path.parts[:-1] != (archive.folder,) or path.name in ("", ".", "..") or "\\" in entry.filename or is_link:
            raise SourceError(
                f"{archive.name} holds {entry.filename[:200]!r}, expected plain files in {archive.folder}/. "
                "Nothing of it was unpacked."
            )
    unpacked = sum(entry.file_size for entry in files)
    if len(entries) > MAX_MEMBERS or unpacked > MAX_GROWTH * archive.size + CHUNK:
        raise SourceError(
            f"{archive.name} holds {len(entries)} files of {unpacked} bytes together, expected about "
            f"{archive.pictures} of {archive.size}. Nothing of it was unpacked."
        )
    if len(files) != archive.pictures:
        raise SourceError(f"{archive.name} holds {len(files)} files, expected {archive.pictures}")
    return files
