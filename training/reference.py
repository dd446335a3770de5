"""The distribution of features that a model was trained on: what drift is measured against.

    distribution = reference_distribution([Path("shard-1"), Path("shard-2")], scale=4)
    write_reference(folder, {Path("shard-1"): "train-1-of-1", Path("shard-2"): "valid-1-of-1"}, scale=4)

Of the low-resolution pictures in packs, not of the photos they were made from: those are what the model was given, and
making a picture smaller takes noise and blocks away and adds detail to each pixel.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loupe.distribution import Distribution
from loupe.errors import InvalidOption, StorageError
from loupe.files import write_whole
from loupe.images import Picture, decode, encode
from loupe.quality import measure
from training.example import example_picture
from training.pack import Pack, open_pack

FEATURES = "features.json"
EXAMPLE = "example.png"
LIMIT = 2000  # pictures; at 0.05 megapixels each about 4 seconds, and the shares are known to within 2%


def reference_distribution(packs: Sequence[Pack | Path], *, scale: int, limit: int = LIMIT) -> Distribution:
    """Of at most ``limit`` pictures, spread evenly over all packs (or their folders).

    Raises InvalidOption if ``scale`` was not packed, there is no picture, or ``limit`` is below 1.
    """
    if limit < 1:
        raise InvalidOption(f"limit: got {limit}, expected 1 or more pictures")
    opened = [pack if isinstance(pack, Pack) else open_pack(pack) for pack in packs]
    for pack in opened:
        if scale not in pack.scales:
            there = ", ".join(str(each) for each in pack.scales)
            raise InvalidOption(f"scale: got {scale}, expected one that {pack.folder} holds: {there}")
    places = [(pack, index) for pack in opened for index in range(len(pack.entries))]
    if not places:
        raise InvalidOption(f"packs: got {len(opened)} without any picture, expected at least one picture")
    count = min(limit, len(places))
    chosen = [places[step * len(places) // count] for step in range(count)]
    return Distribution.of(measure(Picture(color=pack.picture(index, scale))) for pack, index in chosen)


def read_reference(folder: Path) -> tuple[Distribution, NDArray[np.uint8]]:
    """What ``write_reference`` wrote. Raises StorageError, ValueError."""
    try:
        features, example = (folder / FEATURES).read_bytes(), (folder / EXAMPLE).read_bytes()
    except OSError as error:
        raise StorageError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return Distribution.model_validate_json(features), decode(example).color.astype(np.uint8)


def write_reference(folder: Path, packs: Mapping[Path, str], *, scale: int) -> int:
    """``features.json`` and ``example.png`` in ``folder``, of packs with the names of their parts.

    Returns of how many pictures. Raises InvalidOption, StorageError.
    """
    distribution = reference_distribution([*packs], scale=scale)
    example = Picture(color=example_picture(packs, scale=scale))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FEATURES, distribution.model_dump_json(indent=2).encode())
    write_whole(folder / EXAMPLE, encode(example, "PNG"))
    return int(distribution.count)
