"""A manifest versions the data: which pictures, of which bytes, in which split.

    manifest = make_manifest("photos/", evaluation=["set5/hr"], store=Path("runs/data"))
    write_manifest(manifest, Path("manifest.jsonl"))
    manifest.version, len(manifest.of("train")), manifest.locate(manifest.entries[0])

The file is JSON lines: a header (format, version, where the sources are on this machine), then one entry a line. The
version is a hash of the entries, not of where they lie, so the same folder has the same one on every machine.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.progress import track

from loupe.errors import LoupeError, StorageError
from loupe.files import write_whole
from loupe.images import FORMATS, decode, format_of
from loupe.settings import Limits
from training.archives import SourceError
from training.sources import download_div2k, list_pictures, sample_photos

FORMAT = 1
HOLD_OUT = 33  # one picture in so many validates, when no pictures are given for it

Split = Literal["train", "valid", "eval"]


class ManifestError(LoupeError):
    """A manifest that is damaged, or whose pictures have changed."""

    exit_code = 22


class Entry(BaseModel):
    """One picture. ``path`` is relative to its source; ``width`` x ``height`` as stored, 0 where no header is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes")
    width: int = Field(ge=0)
    height: int = Field(ge=0)
    split: Split

    @property
    def name(self) -> str:
        """The source and the path: what a person is told."""
        return f"{self.source}/{self.path}"


class Manifest(BaseModel):
    """Entries, in the order of their names, and the folder of each source on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, str]
    entries: tuple[Entry, ...]

    @property
    def version(self) -> str:
        """SHA-256 of all entries but for the names of their sources."""
        lines = sorted(entry.model_dump_json(exclude={"source"}) for entry in self.entries)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of(self, *splits: Split) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.split in splits)

    def locate(self, entry: Entry) -> Path:
        return Path(self.sources[entry.source]) / entry.path

    def only(self, entries: Iterable[Entry]) -> "Manifest":
        """The same sources with these entries."""
        return Manifest(sources=self.sources, entries=tuple(sorted(entries, key=lambda entry: entry.name)))


class _Source(NamedTuple):
    """Where pictures come from; ``split`` None: train, with some held out to validate."""

    label: str
    root: Path
    paths: list[Path]
    split: Split | None


def make_manifest(
    data: str,
    *,
    valid: str | None = None,
    evaluation: Sequence[str] = (),
    store: Path,
    limits: Limits | None = None,
    quiet: bool = True,
) -> Manifest:
    """The manifest of ``data`` (a folder, s3://bucket/prefix, div2k or samples) and of the folders to evaluate on.

    Buckets and DIV2K are downloaded into ``store`` once. Without ``valid``, one picture in 33 validates: those with
    the smallest SHA-256, so that adding pictures moves few others. Raises SourceError and StorageError.
    """
    sources = _sources(data, valid, evaluation, store, quiet=quiet)
    jobs = [(source, path) for source in sources for path in source.paths]
    limits = limits or Limits()
    with ThreadPoolExecutor() as pool:  # hashing and reading hold no lock
        described = pool.map(lambda job: _describe(job[0], job[1], limits), jobs)
        entries = list(track(described, "reading pictures", total=len(jobs), disable=quiet))
    if not any(source.split == "valid" for source in sources):
        entries = _hold_out(entries)
    roots = {source.label: str(source.root) for source in sources}
    return Manifest(sources=roots, entries=()).only(entries)


def with_validation(manifest: Manifest) -> Manifest:
    """The manifest itself, or, if what was to validate has been dropped, with other pictures held out for it."""
    return manifest if manifest.of("valid") else manifest.only(_hold_out(list(manifest.entries)))


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Whole or not at all. Raises StorageError."""
    header = {"format": FORMAT, "version": manifest.version, "sources": manifest.sources}
    lines = [json.dumps(header), *(entry.model_dump_json() for entry in manifest.entries)]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def read_manifest(path: Path) -> Manifest:
    """What ``write_manifest`` wrote. ManifestError when it is something else, or not all of it."""
    try:
        first, *rest = path.read_text().splitlines()
        header = json.loads(first)
        manifest = Manifest(
            sources=header["sources"], entries=tuple(Entry.model_validate_json(line) for line in rest if line)
        )
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:  # pydantic's and json's errors are ValueErrors
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ManifestError(f"{path}: not a manifest of training.manifest ({told}); make it again") from error
    if (header.get("format"), header.get("version")) != (FORMAT, manifest.version):
        got = f"format {header.get('format')}, version {str(header.get('version'))[:12]}"
        raise ManifestError(
            f"{path}: got {got}, expected {FORMAT} and {manifest.version[:12]} by its {len(manifest.entries)} entries; "
            "it is cut off or was changed by hand: make it again"
        )
    return manifest


def _sources(data: str, valid: str | None, evaluation: Sequence[str], store: Path, *, quiet: bool) -> list[_Source]:
    wanted: list[tuple[str, Split | None]] = []
    if data == "div2k":
        folders = download_div2k(store / "div2k", ("train",) if valid else ("train", "valid"), quiet=quiet)
        wanted += [(str(folders["train"]), "train")]
        wanted += [] if valid else [(str(folders["valid"]), "valid")]
    else:
        wanted += [(data, "train" if valid else None)]
    wanted += [(valid, "valid")] if valid else []
    wanted += [(folder, "eval") for folder in evaluation]
    sources: list[_Source] = []
    if data == "samples":
        train, others = sample_photos("train"), sample_photos("eval")
        sources += [_Source("samples", train[0].parent, train, "train" if valid else None)]
        sources += [_Source("samples-eval", others[0].parent, others, "eval")]
        wanted = wanted[1:]
    for place, split in wanted:
        paths = list_pictures(place, cache=store / "sources")
        # list_pictures mirrors s3://bucket/prefix to cache/{hash}/..., which is then the root
        parts = len((store / "sources").parts) + 1
        root = Path(*paths[0].parts[:parts]) if place.startswith("s3://") else Path(place)
        sources.append(_Source(_label(place, {s.label for s in sources}), root.absolute(), paths, split))
    return sources


def _label(place: str, taken: set[str]) -> str:
    """The last part of the place's name, with a number if it is taken."""
    name = place.rstrip("/").rsplit("/", 1)[-1] or "data"
    name = Path(place).resolve().name if name in (".", "..") else name
    return next(label for n in range(1, len(taken) + 2) if (label := name if n == 1 else f"{name}-{n}") not in taken)


def _describe(source: _Source, path: Path, limits: Limits) -> Entry:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        width, height = _header_size(path, limits) if size <= limits.max_bytes else (0, 0)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    relative = PurePosixPath(path.absolute().relative_to(source.root)).as_posix()
    if any("\ud800" <= character <= "\udfff" for character in relative):
        raise SourceError(f"{relative!a} in {source.root}: the name is not UTF-8; rename the file")
    return Entry(
        source=source.label,
        path=relative,
        sha256=digest,
        size=size,
        width=width,
        height=height,
        split=source.split or "train",
    )


class _Seen(Exception):
    """Carries the size out of a decoder, which asks whether it is allowed before it decodes anything."""


def _header_size(path: Path, limits: Limits) -> tuple[int, int]:
    """Width and height by the header alone; by decoding where the suffix is wrong; (0, 0) where neither can tell."""
    data = path.read_bytes()

    def see(width: int, height: int) -> None:
        raise _Seen(width, height)

    try:
        FORMATS[format_of(path.name)].decode(data, see)
    except _Seen as seen:
        width, height = seen.args
        return int(width), int(height)
    except LoupeError:
        pass
    try:
        picture = decode(data, limits)
    except LoupeError:
        return 0, 0
    return picture.width, picture.height


def _hold_out(entries: list[Entry]) -> list[Entry]:
    """Training entries with the smallest hashes made validation: at least one, and never all."""
    hashes = sorted({entry.sha256 for entry in entries if entry.split == "train"})
    held = set(hashes[: min(-(-len(hashes) // HOLD_OUT), len(hashes) - 1)])
    return [
        entry.model_copy(update={"split": "valid"}) if entry.split == "train" and entry.sha256 in held else entry
        for entry in entries
    ]
