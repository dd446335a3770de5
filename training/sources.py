"""Where training pictures come from: DIV2K, a folder, a bucket, or the sample photos that scikit-image ships.

    download_div2k(Path("data/div2k"))                        # DIV2K_train_HR/ and DIV2K_valid_HR/
    sample_photos("train")                                    # to try things out without a network
    paths = list_pictures("data/div2k/DIV2K_train_HR")        # or "s3://bucket/prefix"

DIV2K: Agustsson and Timofte, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study", CVPRW
2017; 1,000 pictures of 2K, for academic research only, https://data.vision.ee.ethz.ch/cvl/DIV2K/.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from rich.progress import track

from loupe.images import FORMATS
from loupe.storage import FileStorage, open_storage
from training.archives import Archive, SourceError, fetch

SUFFIXES = frozenset(suffix for kind in FORMATS.values() for suffix in kind.suffixes)
CACHE = Path(".loupe/sources")

# Sizes and SHA-256: tensorflow/datasets, tensorflow_datasets/url_checksums/div2k.txt.
DIV2K: Mapping[str, Archive] = {
    "train": Archive(  # 0001.png to 0800.png
        url="https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
        size=3_530_603_713,
        sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
        folder="DIV2K_train_HR",
        pictures=800,
    ),
    "valid": Archive(  # 0801.png to 0900.png
        url="https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
        size=448_993_893,
        sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
        folder="DIV2K_valid_HR",
        pictures=100,
    ),
}

# In the public domain or CC0 by skimage/data/_fetchers.py (ihc: "no known copyright restrictions").
SAMPLES: Mapping[Literal["train", "eval"], tuple[str, ...]] = {
    "train": (
        "astronaut.png",
        "brick.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "retina.jpg",
        "rocket.jpg",
    ),
    "eval": ("chelsea.png", "coffee.png"),
}


def sample_photos(split: Literal["train", "eval"]) -> list[Path]:
    """Files within the installed scikit-image, which is not imported. Raises SourceError without it."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("samples: they come with scikit-image, which is not installed; pip install scikit-image")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return [folder / name for name in SAMPLES[split]]


def download_div2k(
    folder: Path,
    splits: Sequence[str] = ("train", "valid"),
    *,
    archives: Mapping[str, Archive] = DIV2K,
    quiet: bool = False,
) -> dict[str, Path]:
    """The folder of pictures of each split, downloaded into ``folder`` unless it is there. Raises SourceError."""
    unknown = [split for split in splits if split not in archives]
    if unknown:
        raise SourceError(f"splits: got {', '.join(unknown)}, expected some of {', '.join(archives)}")
    return {split: fetch(archives[split], folder, quiet=quiet) for split in splits}


def list_pictures(source: str | Path, *, cache: Path = CACHE) -> list[Path]:
    """Every picture of a folder (recursively, by suffix) or of s3://bucket/prefix, sorted by path.

    What is in a bucket is downloaded into ``cache`` once, and again only if it has changed there.
    Raises SourceError (no such folder, or no pictures in it) and StorageError.
    """
    if str(source).startswith("s3://"):
        paths = _mirror(str(source), cache)
    else:
        folder = Path(source)
        if not folder.is_dir():
            expected = "one with pictures in it, s3://bucket/prefix, div2k, or samples"
            raise SourceError(f"No folder {folder}. Give {expected}.")
        paths = [path for path in folder.rglob("*") if _is_picture(path.relative_to(folder)) and path.is_file()]
    if not paths:
        raise SourceError(f"No pictures in {source}: expected files ending in {', '.join(sorted(SUFFIXES))}")
    return sorted(paths)


def _is_picture(path: Path) -> bool:
    """By suffix, and not hidden: macOS puts "._photo.jpg" beside photos, Jupyter keeps copies in a hidden folder."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _mirror(uri: str, cache: Path) -> list[Path]:
    """Local copies of the pictures at ``uri``."""
    storage = open_storage(uri)
    folder = cache / hashlib.sha256(uri.encode()).hexdigest()[:16]
    local = FileStorage(folder)
    have = {entry.key: entry for entry in local.list()}
    entries = [entry for entry in storage.list() if _is_picture(Path(entry.key))]
    stale = [
        entry
        for entry in entries
        if (copy := have.get(entry.key)) is None or copy.size != entry.size or copy.modified < entry.modified
    ]
    for entry in track(stale, description=f"downloading {uri}", disable=not stale):
        with storage.open_read(entry.key) as stream:
            local.write(entry.key, stream)
    return [folder / entry.key for entry in entries]
