"""Pictures in files: which there are, where each result goes, and writing it whole or not at all.

for job in plan_jobs([Path("photos")], Path("larger"), scale=4, recursive=True): ...
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loupe.errors import InvalidOption, NotAPicture, PictureTooLarge, StorageError
from loupe.images import FORMATS, format_of
from loupe.settings import Limits

KEPT_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")  # others (GIF, BMP) become PNG unless one asks


@dataclass(frozen=True)
class Job:
    """One picture to read and where its result goes."""

    source: Path
    target: Path
    format: str


def find_pictures(folder: Path, *, recursive: bool) -> list[Path]:
    """Files below ``folder`` whose suffix is that of a picture, sorted; hidden ones are left out."""
    paths = folder.rglob("*") if recursive else folder.glob("*")
    return sorted(path for path in paths if is_picture(path.name) and path.is_file())


def is_picture(key: str) -> bool:
    """Whether a relative path has the suffix of a picture, and no hidden part."""
    suffixes = {suffix for kind in FORMATS.values() for suffix in kind.suffixes}
    return Path(key).suffix.lower() in suffixes and not any(part.startswith(".") for part in key.split("/"))


def plan_keys(keys: Sequence[str], *, format: str | None = None) -> list[Job]:
    """One job a key, relative to where all are and where all go; the tree is kept."""
    return _told_apart([_job(Path(key), Path(key), format, keep_name=True) for key in keys])


def plan_jobs(
    inputs: Sequence[Path], output: Path | None, *, scale: int, format: str | None = None, recursive: bool = False
) -> list[Job]:
    """One job a picture. A folder keeps its names and its tree below ``output``.

    Without ``output`` a result stands beside its picture as ``name_x4.png``. Raises InvalidOption when a path does not
    exist, a folder holds no picture, several pictures would go into one file, or a result would replace its input.
    """
    jobs: list[Job] = []
    many = len(inputs) > 1 or inputs[0].is_dir()
    if many and output is not None and output.exists() and not output.is_dir():
        raise InvalidOption(f"output: got the file {output}, expected a folder for several pictures")
    for path in inputs:
        if path.is_dir():
            if output is None:
                raise InvalidOption(f"{path} is a folder: say with -o which folder the results go to")
            found = [p for p in find_pictures(path, recursive=recursive) if not _is_below(p, output, path)]
            if not found:
                hint = "" if recursive else "; --recursive looks into its folders too"
                raise InvalidOption(f"{path}: got a folder without pictures ({', '.join(FORMATS)}){hint}")
            jobs += [_job(p, output / p.relative_to(path), format, keep_name=True) for p in found]
        elif not path.exists():
            raise InvalidOption(f"{path}: no such file or folder")
        elif output is None:
            jobs.append(_job(path, path.with_stem(f"{path.stem}_x{scale}"), format, keep_name=True))
        elif many or output.is_dir():
            jobs.append(_job(path, output / path.name, format, keep_name=True))
        else:
            jobs.append(_job(path, output, format, keep_name=False))
    jobs = _told_apart(jobs)
    for job in jobs:
        if job.target.resolve() == job.source.resolve():
            raise InvalidOption(f"{job.target}: the result would replace its own input; give another -o")
    return jobs


def read_picture(path: Path, limits: Limits) -> bytes:
    """The bytes of a file, no more than the limit. Raises NotAPicture, PictureTooLarge, StorageError."""
    try:
        if path.is_dir():
            raise NotAPicture(f"{path}: got a folder, expected a picture")
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise PictureTooLarge(f"{path}: {size} bytes, expected at most {limits.max_bytes}")
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write beside ``path`` under a temporary name, then rename. StorageError, and nothing left, when it fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def _job(source: Path, target: Path, format: str | None, *, keep_name: bool) -> Job:
    if format is not None:
        chosen = format_of(format)
    elif keep_name:
        chosen = format_of(source.name)
        chosen = chosen if chosen in KEPT_FORMATS else "PNG"
    else:
        chosen = format_of(target.name)
    suffixes = FORMATS[chosen].suffixes
    if target.suffix.lower() not in suffixes and keep_name:
        target = target.with_suffix(suffixes[0])
    return Job(source, target, chosen)


def _told_apart(jobs: list[Job]) -> list[Job]:
    """a.jpg and a.png both made PNG would be one file: then each keeps its old suffix too (a.jpg.png).

    Such a name may be another's in turn (of a.jpg.gif), which then keeps its own too, and so on.
    """
    while True:
        count = Counter(job.target for job in jobs)
        told = [
            replace(job, target=job.target.with_name(f"{job.source.name}{job.target.suffix}"))
            if count[job.target] > 1
            else job
            for job in jobs
        ]
        if told == jobs:
            break
        jobs = told
    if max(count.values(), default=1) > 1:
        raise InvalidOption("several pictures of one name would go into one file; run them one by one")
    return jobs


def _is_below(path: Path, output: Path, folder: Path) -> bool:
    """Results of an earlier run, when they go into a folder inside the input."""
    output = output.resolve()
    return output != folder.resolve() and output in path.resolve().parents
