"""A picture such as a model was trained to enlarge, for whoever wants to try it: held out if there is such a pack."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loupe.errors import InvalidOption
from training.pack import open_pack

SIDE = 192  # low-resolution pixels: enough to see whether an answer is right, and quickly enlarged on a CPU


def example_picture(packs: Mapping[Path, str], *, scale: int) -> NDArray[np.uint8]:
    """(h,w,3): the middle of the first low-resolution picture; ``packs`` are folders and their parts' names.

    One of a part such as ``valid-1-of-1`` if there is any. Raises InvalidOption without packs, or without ``scale``.
    """
    folders = sorted(packs, key=lambda folder: not packs[folder].startswith("valid"))
    if not folders:
        raise InvalidOption("packs: got none, expected those that the model was trained on")
    pack = open_pack(folders[0])
    if scale not in pack.scales:
        raise InvalidOption(f"scale: got {scale}, expected one that {pack.folder} holds: {pack.scales}")
    picture = pack.picture(0, scale)
    top, left = (max(0, size - SIDE) // 2 for size in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])
