"""What a checkpoint is evaluated on: folders, the manifest's evaluation split, else its validation split."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from loupe.errors import InvalidOption
from training.benchmarks import find_benchmarks
from training.manifest import Manifest, make_manifest


@pytest.fixture
def set5(photos: Path, tmp_path: Path) -> Path:
    """A benchmark with its own low-resolution pictures, in a folder whose name is no figure's."""
    folder = tmp_path / "Set 5!"
    (folder / "hr").mkdir(parents=True)
    (folder / "lr_x4").mkdir()
    for name in ("astronaut", "coffee"):
        picture = Image.open(photos / f"{name}.png").resize((80, 60))
        picture.save(folder / "hr" / f"{name}.png")
        picture.resize((20, 15)).save(folder / "lr_x4" / f"{name}x4.png")
    return folder


def test_folders_come_first_and_get_names_of_their_own(photos: Path, set5: Path, tmp_path: Path) -> None:
    manifest = make_manifest(str(photos), store=tmp_path / "store")
    found = find_benchmarks(manifest, [str(set5), str(set5 / "hr"), str(photos)], 4)
    assert {name: len(pairs) for name, pairs in found.items()} == {"set_5": 2, "set_5_2": 2, photos.name.lower(): 4}
    assert found["set_5"][0].lr == set5 / "lr_x4" / "astronautx4.png"
    assert found["set_5_2"][0].lr is None
    with pytest.raises(InvalidOption, match="no such folder"):
        find_benchmarks(manifest, ["nowhere"], 4)


def test_the_pictures_to_evaluate_on_are_paired_as_in_their_folder(photos: Path, set5: Path, tmp_path: Path) -> None:
    manifest = make_manifest(str(photos), evaluation=[str(set5), str(photos)], store=tmp_path / "store")
    assert len(manifest.of("eval")) == 8  # of Set 5 both sizes
    kept = manifest.only(entry for entry in manifest.entries if entry.path != "hr/coffee.png")
    found = find_benchmarks(kept, [], 4)
    assert {name: len(pairs) for name, pairs in found.items()} == {"set_5": 1, photos.name.lower(): 4}
    assert found["set_5"][0].lr == set5 / "lr_x4" / "astronautx4.png"


def test_without_them_it_is_what_validates(photos: Path, tmp_path: Path) -> None:
    manifest = make_manifest(str(photos), store=tmp_path / "store")
    (pairs,) = find_benchmarks(manifest, [], 4).values()
    assert [pair.hr for pair in pairs] == [manifest.locate(entry) for entry in manifest.of("valid")]


def test_nothing_held_out_is_said(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "all")
    manifest = make_manifest(str(tmp_path / "all"), store=tmp_path / "store")
    training = Manifest(sources=manifest.sources, entries=manifest.of("train"))
    with pytest.raises(InvalidOption, match="give a folder of pictures that are not trained on"):
        find_benchmarks(training, [], 4)
