"""Manifests: the same data have the same version, and a damaged manifest is not read."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from loupe.errors import StorageError
from loupe.images import FORMATS, Picture, decode, encode
from loupe.storage import open_storage
from training.archives import SourceError
from training.manifest import (
    Entry,
    Manifest,
    ManifestError,
    make_manifest,
    read_manifest,
    with_validation,
    write_manifest,
)


def test_a_folder_is_listed_with_hashes_sizes_and_splits(photos: Path, tmp_path: Path) -> None:
    manifest = make_manifest(str(photos), store=tmp_path)
    assert [entry.path for entry in manifest.entries] == ["astronaut.png", "chelsea.png", "coffee.png", "rocket.png"]
    for entry in manifest.entries:
        path = manifest.locate(entry)
        assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        height, width = decode(path.read_bytes()).color.shape[:2]
        assert (entry.size, entry.width, entry.height) == (path.stat().st_size, width, height)
    assert len(manifest.of("valid")) == 1
    assert manifest.of("valid")[0].sha256 == min(entry.sha256 for entry in manifest.entries)
    assert len(manifest.of("train")) == 3


def test_what_is_written_is_read(photos: Path, tmp_path: Path) -> None:
    manifest = make_manifest(str(photos), evaluation=[str(photos)], store=tmp_path)
    write_manifest(manifest, tmp_path / "deep" / "manifest.jsonl")
    assert read_manifest(tmp_path / "deep" / "manifest.jsonl") == manifest
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["manifest.jsonl"]


def test_the_version_is_that_of_the_data_and_not_of_the_place(photos: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(photos, tmp_path / "elsewhere"))
    ours, theirs = (make_manifest(str(folder), store=tmp_path) for folder in (photos, copied))
    assert ours.version == theirs.version
    assert ours.sources != theirs.sources
    with (copied / "coffee.png").open("ab") as file:
        file.write(b"\0")
    assert make_manifest(str(copied), store=tmp_path).version != ours.version
    assert ours.only(ours.entries[1:]).version != ours.version


def test_splits_of_their_own_and_sources_of_one_name(photos: Path, tmp_path: Path) -> None:
    for name in ("a/hr", "b/hr"):
        shutil.copytree(photos, tmp_path / name)
    folders = [str(tmp_path / "a/hr"), str(tmp_path / "b/hr")]
    manifest = make_manifest(str(photos), valid=folders[0], evaluation=[folders[1], folders[1]], store=tmp_path)
    assert list(manifest.sources) == [photos.name, "hr", "hr-2", "hr-3"]
    assert [len(manifest.of(split)) for split in ("train", "valid", "eval")] == [4, 4, 8]
    assert len({entry.name for entry in manifest.entries}) == 16
    assert all(manifest.locate(entry).is_file() for entry in manifest.entries)


def test_adding_pictures_moves_few_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(99):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)).save(folder / f"{index}.png")
    before = make_manifest(str(folder), store=tmp_path)
    shutil.copy(before.locate(before.of("valid")[0]), folder / "copy.png")
    Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)).save(folder / "new.png")
    after = make_manifest(str(folder), store=tmp_path)
    assert len(before.of("valid")) == 3
    old, new = ({entry.path for entry in manifest.of("valid")} for manifest in (before, after))
    assert len(old - new) <= 1
    assert "copy.png" in new, "a copy of a validation picture is in its split"


def test_one_picture_trains(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(photos / "coffee.png", tmp_path / "one")
    manifest = make_manifest(str(tmp_path / "one"), store=tmp_path)
    assert [entry.split for entry in manifest.entries] == ["train"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_header_is_enough_for_every_format(format: str, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    data = encode(Picture(color=np.zeros((20, 30, 3), np.uint8)), format)
    (tmp_path / "p" / f"right{FORMATS[format].suffixes[0]}").write_bytes(data)
    (tmp_path / "p" / ("wrong.jpg" if format != "JPEG" else "wrong.png")).write_bytes(data)
    manifest = make_manifest(str(tmp_path / "p"), store=tmp_path)
    assert [(entry.width, entry.height) for entry in manifest.entries] == [(30, 20), (30, 20)]


def test_what_is_no_picture_is_listed_without_a_size(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "broken.png").write_bytes(b"nothing")
    (entry,) = make_manifest(str(tmp_path / "p"), store=tmp_path).entries
    assert (entry.size, entry.width, entry.height) == (7, 0, 0)


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "p") + b"/\xff.png")).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"udcff\.png' in .*: the name is not UTF-8"):
        make_manifest(str(tmp_path / "p"), store=tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(text.splitlines()[:-1]),
        lambda text: text.replace('"train"', '"valid"'),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('"width"', '"breadth"'),
        lambda _: "",
        lambda _: "[1, 2]\n",
        lambda _: "{}\n",
    ],
)
def test_a_damaged_manifest_is_not_read(spoil, photos: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "manifest.jsonl"
    write_manifest(make_manifest(str(photos), store=tmp_path), path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ManifestError, match=r"manifest\.jsonl: .*make it again"):
        read_manifest(path)


def test_no_manifest_and_no_pictures_are_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere\.jsonl: cannot be read"):
        read_manifest(tmp_path / "nowhere.jsonl")
    with pytest.raises(SourceError, match="No folder"):
        make_manifest(str(tmp_path / "missing"), store=tmp_path)


def test_entries_are_checked() -> None:
    with pytest.raises(ValidationError, match="sha256"):
        Entry(source="a", path="b", sha256="short", size=1, width=1, height=1, split="train")
    assert Manifest(sources={}, entries=()).version == hashlib.sha256(b"").hexdigest()


def test_a_bucket_has_the_version_of_the_folder_that_it_was_filled_from(
    bucket: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(bucket)
    for path in photos.iterdir():
        storage.write(f"deep/{path.name}", path.read_bytes())
    shutil.copytree(photos, tmp_path / "set" / "deep")
    monkeypatch.chdir(tmp_path)
    manifest = make_manifest(bucket, store=Path("store"))
    assert manifest.version == make_manifest("set", store=Path("store")).version
    assert list(manifest.sources) == ["set"]
    assert manifest.entries[0].path == "deep/astronaut.png"
    os.chdir("/")
    assert manifest.locate(manifest.entries[0]).is_file(), "sources are absolute"
    monkeypatch.chdir(tmp_path)


def test_the_file_is_lines_of_json(photos: Path, tmp_path: Path) -> None:
    write_manifest(make_manifest(str(photos), store=tmp_path), tmp_path / "m.jsonl")
    header, *entries = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert list(header) == ["format", "version", "sources"]
    assert list(entries[0]) == ["source", "path", "sha256", "size", "width", "height", "split"]


def test_samples_are_photos_that_scikit_image_ships_with_two_to_evaluate_on(tmp_path: Path) -> None:
    manifest = make_manifest("samples", store=tmp_path)
    assert {entry.name for entry in manifest.of("eval")} == {"samples-eval/chelsea.png", "samples-eval/coffee.png"}
    assert (len(manifest.of("train")), len(manifest.of("valid"))) == (6, 1)
    assert all(manifest.locate(entry).is_file() for entry in manifest.entries)
    assert min(min(entry.width, entry.height) for entry in manifest.entries) >= 300


def test_when_what_validates_was_dropped_others_take_its_place(photos: Path, tmp_path: Path) -> None:
    manifest = make_manifest(str(photos), store=tmp_path)
    assert with_validation(manifest) is manifest
    left = with_validation(manifest.only(manifest.of("train")))
    assert (len(left.of("train")), len(left.of("valid"))) == (2, 1)
