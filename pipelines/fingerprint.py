"""What the data and our code are now: by it, kfp's cache tells whether a run has seen both before.

fingerprint_of("photos/", "s3://bucket/benchmarks")

Of pictures their names, sizes and times of change, which for a bucket come from its listing: they are not read. kfp
itself knows their address, and the source of the components, of all our code a thousandth part.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import loupe
from loupe.storage import open_storage

CODE = ("components", "loupe", "serving", "training")  # packages that steps run


def fingerprint_of(*places: str) -> str:
    """Of folders, s3:// addresses and names of known sets ("div2k", "samples"), together with our code.

    A folder that is not there has one too: to say so is the step's part. Raises StorageError for a bucket.
    """
    digest = hashlib.sha256()
    root = Path(loupe.__file__).parents[1]
    for path in sorted(path for name in CODE for path in (root / name).rglob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for place in filter(None, places):
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
