"""Pictures, packed once into memory-mapped bytes that training reads at random without decoding.

    pack = open_pack(pack_pictures(paths, folder, scales=(4,)))
    pack.picture(3)            # (H,W,3) uint8, a view of the file
    pack.picture(3, scale=4)   # the same, 4 times smaller by MATLAB's bicubic
    join_packs([pack, other])  # several as one, whatever order they are given in

A pack is a folder: ``hr.u8`` and ``lr_x{scale}.u8`` hold rows of RGB one picture after the other, ``pack.json`` says
where each begins. The low-resolution pictures are made here, from whole pictures, as the published sets are; the folder
appears under its name only when it is complete.
"""

import hashlib
import json
import math
import shutil
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from loupe.degrade import bicubic_downscale
from loupe.errors import LoupeError
from loupe.images import decode
from loupe.settings import Limits

FORMAT = 1
GRID = 12  # sides are cut to a multiple of 2, 3 and 4
MINIMUM = 8 * GRID  # pixels: smaller pictures are left out


@dataclass(frozen=True)
class Entry:
    """One packed picture: where its first high-resolution byte is, and its size after cutting."""

    name: str
    sha256: str
    height: int
    width: int
    offset: int


class Pictures(Protocol):
    """What training reads: one pack, or several joined."""

    @property
    def scales(self) -> tuple[int, ...]: ...

    @property
    def entries(self) -> tuple[Entry, ...]: ...

    @property
    def pixels(self) -> int: ...

    def picture(self, index: int, scale: int = 1) -> NDArray[np.uint8]:
        """(H/scale, W/scale, 3) uint8. KeyError for a scale that was not packed."""


@dataclass(frozen=True)
class Pack:
    """An open pack. Pictures are views of the memory-mapped files: nothing is read until it is touched."""

    folder: Path
    scales: tuple[int, ...]
    entries: tuple[Entry, ...]

    @cached_property
    def _maps(self) -> dict[int, NDArray[np.uint8]]:
        names = {1: "hr.u8"} | {scale: f"lr_x{scale}.u8" for scale in self.scales}
        return {
            scale: np.asarray(np.memmap(self.folder / name, dtype=np.uint8, mode="r")) for scale, name in names.items()
        }

    def picture(self, index: int, scale: int = 1) -> NDArray[np.uint8]:
        """(H/scale, W/scale, 3) uint8. KeyError for a scale that was not packed."""
        entry = self.entries[index]
        height, width = entry.height // scale, entry.width // scale
        begin = entry.offset // (scale * scale)
        return self._maps[scale][begin : begin + height * width * 3].reshape(height, width, 3)

    @property
    def pixels(self) -> int:
        return sum(entry.height * entry.width for entry in self.entries)


@dataclass(frozen=True)
class Joined:
    """Several packs as one, made by ``join_packs``; ``scales`` are those that all have."""

    packs: tuple[Pack, ...]

    @property
    def scales(self) -> tuple[int, ...]:
        return tuple(sorted(set.intersection(*(set(pack.scales) for pack in self.packs))))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Of all packs; ``offset`` is that in the pack's own files."""
        return tuple(entry for pack in self.packs for entry in pack.entries)

    @cached_property
    def _begins(self) -> list[int]:
        return list(accumulate((len(pack.entries) for pack in self.packs), initial=0))

    def picture(self, index: int, scale: int = 1) -> NDArray[np.uint8]:
        which = bisect_right(self._begins, index) - 1
        return self.packs[which].picture(index - self._begins[which], scale)

    @property
    def pixels(self) -> int:
        return sum(pack.pixels for pack in self.packs)

    @cached_property
    def version(self) -> str:
        """A SHA-256 of which pictures these are."""
        return hashlib.sha256("".join(entry.sha256 for entry in self.entries).encode()).hexdigest()


def join_packs(packs: Sequence[Pack]) -> Joined:
    """The packs in an order of their own, which follows from their pictures: neither from places nor from names.

    So a run resumes to the same bits although its shards were fetched again and are listed otherwise. ValueError for
    no packs, and for packs without a common scale.
    """
    if not packs:
        raise ValueError("packs: got none, expected one or more")
    joined = Joined(tuple(sorted(packs, key=lambda pack: [entry.sha256 for entry in pack.entries])))
    if not joined.scales:
        raise ValueError(f"packs: got scales {[pack.scales for pack in packs]}, expected one that all have")
    return joined


def open_pack(folder: Path) -> Pack:
    """Open what ``pack_pictures`` made. ValueError if it is of another format."""
    index = json.loads((folder / "pack.json").read_text())
    if index["format"] != FORMAT:
        raise ValueError(f"{folder}: got pack format {index['format']}, expected {FORMAT}; pack again")
    return Pack(folder, tuple(index["scales"]), tuple(Entry(**entry) for entry in index["entries"]))


def read_rgb(path: Path, limits: Limits) -> NDArray[np.uint8]:
    """Decode a picture to (H,W,3) uint8: gray is repeated, 16 bit rounded, alpha ignored."""
    color = decode(path.read_bytes(), limits).color
    if color.dtype != np.uint8:
        color = ((color.astype(np.uint32) + 128) // 257).astype(np.uint8)
    rgb = np.repeat(color, 3, axis=2) if color.shape[2] == 1 else color
    return rgb.astype(np.uint8, copy=False)


def to_batch(picture: NDArray[np.uint8]) -> torch.Tensor:
    """(H,W,3) uint8 -> (1,3,H,W) float32 in [0,1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def downscale(picture: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """(H,W,3) uint8 -> (H/factor, W/factor, 3) uint8 by MATLAB's bicubic."""
    lr = bicubic_downscale(to_batch(picture), factor)[0].permute(1, 2, 0)
    return (lr * 255).round().to(torch.uint8).contiguous().numpy()


def _cut(picture: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    return picture[: picture.shape[0] // multiple * multiple, : picture.shape[1] // multiple * multiple]


def pack_pictures(
    paths: Sequence[Path],
    folder: Path,
    *,
    scales: Sequence[int] = (2, 3, 4),
    minimum: int = MINIMUM,
    shrink: int = 1,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Pack ``paths`` into ``folder`` and return it; at once if it holds these pictures at these scales already.

    Pictures are made ``shrink`` times smaller first. Those that cannot be read or are then smaller than ``minimum``
    pixels are left out; ValueError when none is left. Those below 96 lose less: only what ``scales`` do not divide.
    """
    want = sorted(set(scales))
    files_seen = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    special = () if (minimum, shrink) == (MINIMUM, 1) else (minimum, shrink)
    key = hashlib.sha256(repr([*files_seen, *special]).encode()).hexdigest()
    if (folder / "pack.json").exists():
        index = json.loads((folder / "pack.json").read_text())
        if index["format"] == FORMAT and index["key"] == key and set(want) <= set(index["scales"]):
            return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    entries: list[Entry] = []
    skipped: list[str] = []
    offset = 0
    files = {1: (partial / "hr.u8").open("wb")} | {s: (partial / f"lr_x{s}.u8").open("wb") for s in want}
    try:
        for done, path in enumerate(paths):
            try:
                picture = read_rgb(path, limits or Limits())
            except LoupeError as error:
                skipped.append(f"{path.name}: {error}")
                continue
            if shrink > 1:
                picture = downscale(_cut(picture, shrink), shrink)
            picture = _cut(picture, GRID if min(picture.shape[:2]) >= MINIMUM else math.lcm(*want))
            if min(picture.shape[:2]) < minimum:
                skipped.append(f"{path.name}: {picture.shape[1]}x{picture.shape[0]}, smaller than {minimum} pixels")
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            entries.append(Entry(path.name, digest, picture.shape[0], picture.shape[1], offset))
            files[1].write(np.ascontiguousarray(picture).data)
            for scale in want:
                files[scale].write(downscale(picture, scale).data)
            offset += picture.size
            if progress:
                progress(done + 1, len(paths))
    finally:
        for file in files.values():
            file.close()
    if not entries:
        shutil.rmtree(partial)
        raise ValueError(f"no picture to pack: got {len(paths)} files; " + "; ".join(skipped[:3]))
    index = {
        "format": FORMAT,
        "key": key,
        "scales": want,
        "skipped": skipped,
        "entries": [asdict(entry) for entry in entries],
    }
    (partial / "pack.json").write_text(json.dumps(index, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder
