"""A manifest packed in parts, each by a process of its own, perhaps on a machine of its own.

    for part in plan_parts(manifest, pictures=200):         # train-1-of-4, ..., valid-1-of-1
        pack_part(manifest, part, Path("packs") / part, scale=4)
    open_shards(["packs/train-1-of-4", "s3://bucket/packs/train-2-of-4"], store)

Pictures of the split ``eval`` are not packed: evaluation reads the files themselves.
"""

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from loupe.errors import InvalidOption, StorageError
from loupe.storage import FileStorage, KeyNotFound, Storage, open_storage
from training.manifest import Entry, Manifest, ManifestError, Split
from training.pack import GRID, Joined, join_packs, open_pack, pack_pictures
from training.prepare import one_at_a_time

INDEX = "pack.json"
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


def open_shards(places: Sequence[str], store: Path) -> Joined:
    """Shards, which are folders or addresses of storage, as one. Those in storage are downloaded into ``store`` once.

    Raises InvalidOption for what is no shard, and StorageError.
    """
    packs = []
    for place in places:
        folder = fetch_shard(place, store) if "://" in place else Path(place)
        if not (folder / INDEX).is_file():
            raise InvalidOption(f"shard: got {place}, expected the folder of a pack, with {INDEX} in it")
        packs.append(open_pack(folder))
    return join_packs(packs)


def fetch_shard(uri: str, store: Path) -> Path:
    """The local copy of a shard, made whole or not at all, and made again if another is in storage by now."""
    storage = open_storage(uri)
    shards = store / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    folder = shards / hashlib.sha256(uri.encode()).hexdigest()[:16]
    with one_at_a_time(shards / f".{folder.name}.lock"):
        try:
            index = storage.read(INDEX)
        except KeyNotFound as error:
            raise InvalidOption(f"shard: got {uri}, expected a pack, with {INDEX} in it: {error}") from error
        if not (folder / INDEX).is_file() or (folder / INDEX).read_bytes() != index:
            _download(uri, storage, folder)
    return folder


def _download(uri: str, storage: Storage, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    local = FileStorage(partial)
    for entry in storage.list():
        if "/" in entry.key:  # a pack is flat
            continue
        with storage.open_read(entry.key) as stream:
            local.write(entry.key, stream)
        if (size := (partial / entry.key).stat().st_size) != entry.size:
            raise StorageError(f"{uri}/{entry.key}: got {size} bytes, expected {entry.size}; try again")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
