"""What the data are now, without reading them: by it, kfp's cache tells whether a run has seen them before.

fingerprint_of("photos/", "s3://bucket/benchmarks")

Names, sizes and times of change, which for a bucket come from its listing. kfp itself knows only the address.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from loupe import __version__
from loupe.storage import open_storage


def fingerprint_of(*places: str) -> str:
    """Of folders, s3:// addresses and names of known sets ("div2k", "samples"), which change with Loupe only.

    A folder that is not there has one too: to say so is the step's part. Raises StorageError for a bucket.
    """
    digest = hashlib.sha256(__version__.encode())
    for place in places:
        digest.update(f"\n{place}\n".encode())
        for line in _lines(place):
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _lines(place: str) -> Iterator[str]:
    if place.startswith("s3://"):
        for entry in open_storage(place).list():
            yield f"{entry.key} {entry.size} {entry.modified.isoformat()}\n"
        return
    for path in sorted(Path(place).rglob("*")):
        if path.is_file():
            status = path.stat()
            yield f"{path.relative_to(place)} {status.st_size} {status.st_mtime_ns}\n"
