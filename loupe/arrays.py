"""Small pictures of one size in a ``.npy`` file: (N,H,W,3) uint8, as ``faces32_eval.npy``.

pictures = read_array(Path("faces32_eval.npy"))
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loupe.errors import InvalidOption

SUFFIX = ".npy"


def read_array(path: Path) -> NDArray[np.uint8]:
    """The array, memory-mapped. Raises InvalidOption if it is not (N,H,W,3) uint8 with N of 1 or more."""
    try:
        pictures = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidOption(f"{path}: not a .npy file that can be read: {error}") from error
    if not isinstance(pictures, np.ndarray):
        raise InvalidOption(f"{path}: got an archive of arrays, expected one of uint8 (N,H,W,3)")
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.size == 0:
        raise InvalidOption(f"{path}: got {pictures.dtype} {pictures.shape}, expected uint8 (N,H,W,3)")
    return np.asarray(pictures)
