"""Finding pictures in folders and buckets, and DIV2K's own figures."""

import hashlib
import os
from pathlib import Path

import pytest

from loupe.storage import open_storage
from training.archives import Archive, SourceError
from training.sources import DIV2K, download_div2k, list_pictures


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_pictures_of_a_folder_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a/2.jpg", "a/1.tiff", "a/deep/er/0.webp", "notes.txt", "a/._1.tiff", ".hidden/z.png")
    (tmp_path / "folder.png").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in list_pictures(tmp_path)]
    assert found == ["a/1.tiff", "a/2.jpg", "a/deep/er/0.webp", "b.PNG"]
    assert list_pictures(str(tmp_path)) == list_pictures(tmp_path)


def test_a_folder_that_is_itself_hidden_may_hold_pictures(tmp_path: Path) -> None:
    touch(tmp_path, ".loupe/a.png")
    assert list_pictures(tmp_path / ".loupe") == [tmp_path / ".loupe" / "a.png"]


def test_no_folder_and_no_pictures_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No folder .*missing"):
        list_pictures(tmp_path / "missing")
    touch(tmp_path, "notes.txt")
    with pytest.raises(SourceError, match=r"No pictures in .*\.jpg"):
        list_pictures(tmp_path)


def test_pictures_of_a_bucket_are_downloaded_once(bucket: str, tmp_path: Path) -> None:
    storage = open_storage(bucket)
    contents = {"a/1.png": os.urandom(3_000_000), "b.jpg": b"two"}
    for key, content in contents.items():
        storage.write(key, content)
    storage.write("notes.txt", b"no picture")

    paths = list_pictures(bucket, cache=tmp_path)
    assert [path.read_bytes() for path in paths] == list(contents.values())
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2
    inodes = [path.stat().st_ino for path in paths]
    assert [path.stat().st_ino for path in list_pictures(bucket, cache=tmp_path)] == inodes

    storage.write("b.jpg", b"three")
    storage.delete("a/1.png")
    assert [path.read_bytes() for path in list_pictures(bucket, cache=tmp_path)] == [b"three"]


def test_an_empty_bucket_is_told(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No pictures in s3://pictures/set"):
        list_pictures(bucket, cache=tmp_path)


def test_div2k_is_as_published() -> None:
    assert {split: (archive.pictures, archive.folder) for split, archive in DIV2K.items()} == {
        "train": (800, "DIV2K_train_HR"),
        "valid": (100, "DIV2K_valid_HR"),
    }
    for archive in DIV2K.values():
        assert archive.url == f"https://data.vision.ee.ethz.ch/cvl/DIV2K/{archive.name}"
        assert len(bytes.fromhex(archive.sha256)) == hashlib.sha256().digest_size


def test_only_the_splits_that_were_asked_for_are_fetched(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/"
    archives = {
        split: Archive(url=f"{nowhere}{split}.zip", size=1, sha256="", folder=f"{split}_pictures", pictures=1)
        for split in ("train", "valid")
    }
    (tmp_path / "valid_pictures").mkdir()
    assert download_div2k(tmp_path, ["valid"], archives=archives) == {"valid": tmp_path / "valid_pictures"}
    with pytest.raises(SourceError, match="got test, expected some of train, valid"):
        download_div2k(tmp_path, ["test"])
