"""A manifest packed in parts, each by a process of its own, perhaps on a machine of its own.

    for part in plan_parts(manifest, pictures=200):         # train-1-of-4, ..., valid-1-of-1
        pack_part(manifest, part, Path("packs") / part, scale=4)

Pictures of the split ``eval`` are not packed: evaluation reads the files themselves.
"""

import re
from pathlib import Path
from typing import get_args

from loupe.errors import InvalidOption
from training.manifest import Entry, Manifest, ManifestError, Split
from training.pack import GRID, pack_pictures

NAME = re.compile(r"(train|valid)-([1-9][0-9]*)-of-([1-9][0-9]*)")


def plan_parts(manifest: Manifest, pictures: int) -> list[str]:
    """Names of parts of at most ``pictures`` each: first training, then validation. Raises InvalidOption."""
    if pictures < 1:
        raise InvalidOption(f"pictures of a part: got {pictures}, expected 1 or more")
    parts = []
    for split in (split for split in get_args(Split) if split != "eval"):
        count = -(-len(manifest.of(split)) // pictures)
        parts += [f"{split}-{number}-of-{count}" for number in range(1, count + 1)]
    return parts


def entries_of(manifest: Manifest, part: str) -> tuple[Entry, ...]:
    """Every n-th picture of the split, so that a folder with larger pictures is spread over parts."""
    if not (match := NAME.fullmatch(part)) or int(match[2]) > int(match[3]):
        raise InvalidOption(f"part: got {part!r}, expected a name such as train-1-of-4")
    split: Split = "train" if match[1] == "train" else "valid"
    return manifest.of(split)[int(match[2]) - 1 :: int(match[3])]


def pack_part(manifest: Manifest, part: str, folder: Path, *, scale: int) -> Path:
    """Pack one part into ``folder`` and return it. Raises InvalidOption, and ManifestError for an empty part."""
    if scale < 2 or GRID % scale:
        raise InvalidOption(f"scale: got {scale}, expected 2 or more that divides {GRID}, such as 2, 3 or 4")
    entries = entries_of(manifest, part)
    if not entries:
        raise ManifestError(f"{part}: got no pictures, expected some of the manifest's {len(manifest.entries)}")
    return pack_pictures([manifest.locate(entry) for entry in entries], folder, scales=(scale,))
