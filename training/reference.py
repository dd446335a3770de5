"""The distribution of features that a model was trained on: what drift is measured against.

    distribution = reference_distribution([Path("shard-1"), Path("shard-2")], scale=4)

Of the low-resolution pictures in packs, not of the photos they were made from: those are what the model was given, and
making a picture smaller takes noise and blocks away and adds detail to each pixel.
"""

from collections.abc import Sequence
from pathlib import Path

from loupe.distribution import Distribution
from loupe.errors import InvalidOption
from loupe.images import Picture
from loupe.quality import measure
from training.pack import Pack, open_pack

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
