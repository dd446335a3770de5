"""Small pictures in one array, packed like photos: ``--data faces32_train.npy``.

    pack = open_pack(pack_array(Path("faces32_train.npy"), folder, scales=(4,)))

The file holds (N,H,W,3) uint8; sides must divide by every scale. Low-resolution pictures are made by MATLAB's
antialiased bicubic, as everywhere here.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from loupe.arrays import read_array
from loupe.degrade import bicubic_downscale
from training.archives import SourceError
from training.pack import FORMAT, Entry

CHUNK = 1024  # pictures downscaled at once


def pack_array(
    path: Path, folder: Path, *, scales: Sequence[int], first: int = 0, step: int = 1, leave: bool = False
) -> Path:
    """Pack the pictures of ``path`` into ``folder`` and return it; at once if it holds them already.

    Pictures ``first``, ``first + step``, ... or, with ``leave``, all others.
    """
    pictures = read_array(path)
    chosen = (np.arange(len(pictures)) % step == first) != leave
    if any(side % scale for side in pictures.shape[1:3] for scale in scales):
        raise SourceError(f"{path}: got {pictures.shape[2]}x{pictures.shape[1]}, expected multiples of {max(scales)}")
    if not chosen.any():
        raise SourceError(f"{path}: got {len(pictures)} pictures, expected more than {first}")
    stat = path.stat()
    key = hashlib.sha256(repr((path.name, stat.st_size, stat.st_mtime_ns, first, step, leave)).encode()).hexdigest()
    if (folder / "pack.json").exists():
        index = json.loads((folder / "pack.json").read_text())
        if index["format"] == FORMAT and index["key"] == key and set(scales) <= set(index["scales"]):
            return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    kept = pictures[chosen]
    (partial / "hr.u8").write_bytes(kept.tobytes())
    for scale in scales:
        with (partial / f"lr_x{scale}.u8").open("wb") as file:
            for begin in range(0, len(kept), CHUNK):
                file.write(_downscale(kept[begin : begin + CHUNK], scale).tobytes())
    height, width = kept.shape[1:3]
    entries = [
        Entry(f"{path.stem}-{number}", hashlib.sha256(pictures[number].tobytes()).hexdigest(), height, width, offset)
        for number, offset in zip(np.flatnonzero(chosen).tolist(), range(0, kept.size, height * width * 3), strict=True)
    ]
    index = {"format": FORMAT, "key": key, "scales": sorted(scales), "skipped": []}
    (partial / "pack.json").write_text(json.dumps(index | {"entries": [asdict(entry) for entry in entries]}))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def _downscale(pictures: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """(N,H,W,3) -> (N,H/scale,W/scale,3)."""
    hr = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    lr = (bicubic_downscale(hr, scale) * 255).round().to(torch.uint8)
    return lr.permute(0, 2, 3, 1).contiguous().numpy()
