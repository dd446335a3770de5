"""From what a person gives as ``--data`` to open packs: find or download the pictures, hold some out, pack once."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from loupe.arrays import SUFFIX
from training.arrays import pack_array
from training.pack import MINIMUM, Pack, open_pack, pack_pictures
from training.sources import download_div2k, list_pictures

HOLD_OUT = 33  # one picture in so many validates, when no folder is given for it


def prepare_data(
    data: str, valid: str | None, scale: int, store: Path, *, quiet: bool, minimum: int = MINIMUM, shrink: int = 1
) -> tuple[Pack, Pack]:
    """Open packs of the training and the validation pictures.

    ``data``: ``div2k`` (downloaded once into ``store``), a folder, ``s3://bucket/prefix``, or a ``.npy`` file of small
    pictures. Processes on one machine take turns, so that the first packs and the others find it done. Photos are made
    ``shrink`` times smaller, and left out if they are then smaller than ``minimum`` pixels.
    """
    store.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(store / ".lock"):
        if data.endswith(SUFFIX):
            return _prepare_arrays(Path(data), Path(valid) if valid else None, scale, store)
        if data == "div2k":
            download_div2k(store / "div2k", quiet=quiet)
            train_paths = list_pictures(str(store / "div2k" / "DIV2K_train_HR"))
            valid_paths = list_pictures(valid or str(store / "div2k" / "DIV2K_valid_HR"))
        else:
            train_paths = list_pictures(data, cache=store / "sources")
            if valid:
                valid_paths = list_pictures(valid, cache=store / "sources")
            else:
                valid_paths = train_paths[::HOLD_OUT]
                train_paths = [path for path in train_paths if path not in valid_paths] or valid_paths
        return (
            _pack(train_paths, store, "train", scale, quiet=quiet, minimum=minimum, shrink=shrink),
            _pack(valid_paths, store, "valid", scale, quiet=quiet, minimum=minimum, shrink=shrink),
        )


def _prepare_arrays(data: Path, valid: Path | None, scale: int, store: Path) -> tuple[Pack, Pack]:
    folders = [store / "packs" / f"{split}_x{scale}_{data.stem}" for split in ("train", "valid")]
    if valid:
        pack_array(data, folders[0], scales=(scale,))
        pack_array(valid, folders[1], scales=(scale,))
    else:
        pack_array(data, folders[0], scales=(scale,), step=HOLD_OUT, leave=True)
        pack_array(data, folders[1], scales=(scale,), step=HOLD_OUT)
    return open_pack(folders[0]), open_pack(folders[1])


def _pack(paths: list[Path], store: Path, split: str, scale: int, *, quiet: bool, minimum: int, shrink: int) -> Pack:
    where = hashlib.sha256(str(paths[0].resolve().parent).encode()).hexdigest()[:8] if paths else "empty"
    smaller = f"_small{shrink}" if shrink > 1 else ""
    folder = store / "packs" / f"{split}_x{scale}{smaller}_{where}"
    with Progress(disable=quiet) as progress:
        task = progress.add_task(f"packing {len(paths)} {split} pictures", total=len(paths))
        pack_pictures(
            paths,
            folder,
            scales=(scale,),
            minimum=minimum,
            shrink=shrink,
            progress=lambda done, _: progress.update(task, completed=done),
        )
    return open_pack(folder)


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Processes of one machine take turns; the lock is gone with the process."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
