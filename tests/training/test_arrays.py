"""Small pictures in an array, and small files, packed and trained on like photos."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from loupe.checkpoint import load_model
from loupe.degrade import bicubic_downscale
from loupe.errors import InvalidOption
from training import recipes
from training.__main__ import main
from training.archives import SourceError
from training.arrays import pack_array
from training.log import read_log
from training.pack import open_pack, pack_pictures, to_batch
from training.prepare import prepare_data
from training.recipes import Recipe

TINY = {"scale": 4, "features": 4, "blocks": 1, "prior_features": 6, "layers": 1, "kernel": 3, "hidden": 6}


@pytest.fixture
def array(tmp_path: Path) -> Path:
    """Forty pictures of one colour each, with a darker lower half: next to nothing to guess for one who sees."""
    rng = np.random.default_rng(1)
    pictures = np.repeat(np.repeat(rng.choice([64, 128, 192], size=(40, 1, 1, 3)), 32, 1), 32, 2).astype(np.uint8)
    pictures[:, 16:] //= 2
    np.save(tmp_path / "small.npy", pictures)
    return tmp_path / "small.npy"


def test_an_array_is_packed_once_and_comes_out_as_it_went_in(array: Path, tmp_path: Path) -> None:
    pack = open_pack(pack_array(array, tmp_path / "pack", scales=(2, 4)))
    pictures = np.load(array)
    assert len(pack.entries) == 40
    for index in (0, 39):
        np.testing.assert_array_equal(pack.picture(index), pictures[index])
        expected = bicubic_downscale(to_batch(pictures[index]), 4)
        torch.testing.assert_close(to_batch(pack.picture(index, 4)), expected, atol=1e-6, rtol=0)
    inode = (tmp_path / "pack" / "hr.u8").stat().st_ino
    pack_array(array, tmp_path / "pack", scales=(4,))
    assert (tmp_path / "pack" / "hr.u8").stat().st_ino == inode
    np.save(array, pictures[:7])
    assert len(open_pack(pack_array(array, tmp_path / "pack", scales=(4,))).entries) == 7


def test_some_are_held_out_when_nothing_is_given_to_validate(array: Path, tmp_path: Path) -> None:
    train, valid = prepare_data(str(array), None, 4, tmp_path / "store", quiet=True)
    assert [entry.name for entry in valid.entries] == ["small-0", "small-33"]
    assert len(train.entries) == 38
    assert not {e.name for e in train.entries} & {e.name for e in valid.entries}
    given = prepare_data(str(array), str(array), 4, tmp_path / "store", quiet=True)
    assert [len(pack.entries) for pack in given] == [40, 40]


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 32, 32), np.uint8), np.zeros((2, 32, 32, 3), np.float32), np.zeros((0, 32, 32, 3), np.uint8)],
)
def test_another_array_is_refused(tmp_path: Path, wrong: np.ndarray) -> None:
    np.save(tmp_path / "wrong.npy", wrong)
    with pytest.raises(InvalidOption, match=r"got .* expected uint8 \(N,H,W,3\)"):
        pack_array(tmp_path / "wrong.npy", tmp_path / "pack", scales=(4,))


def test_what_is_no_array_or_does_not_divide_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InvalidOption, match=r"not a \.npy file"):
        pack_array(tmp_path / "text.npy", tmp_path / "pack", scales=(4,))
    np.save(tmp_path / "odd.npy", np.zeros((1, 30, 32, 3), np.uint8))
    with pytest.raises(SourceError, match="got 32x30, expected multiples of 4"):
        pack_array(tmp_path / "odd.npy", tmp_path / "pack", scales=(4,))


def test_small_files_are_packed_when_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for side in (20, 34):
        Image.fromarray(rng.integers(256, size=(side, side, 3), dtype=np.uint8)).save(tmp_path / f"{side}.png")
    pack = open_pack(pack_pictures(sorted(tmp_path.glob("*.png")), tmp_path / "p", scales=(4,), minimum=32))
    assert [(entry.name, entry.height) for entry in pack.entries] == [("34.png", 32)]


def test_photos_are_shrunk_first(photos: Path, tmp_path: Path) -> None:
    path = sorted(photos.iterdir())[0]
    with Image.open(path) as photo:
        width, height = photo.size
    pack = open_pack(pack_pictures([path], tmp_path / "p", scales=(4,), minimum=32, shrink=2))
    assert pack.entries[0].width == width // 2 // 12 * 12
    assert pack.entries[0].height == height // 2 // 12 * 12


def recipe() -> Recipe:
    tiny = recipes._pixel_recursive(name="tiny", config=TINY, steps=60, learning_rate=2e-2, summary="")
    return replace(tiny, warmup=0, ema=0.5, validate_every=20, save_every=10)


def test_the_command_line_learns_in_half_precision(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And interrupted, it goes on to the same bits."""
    monkeypatch.setitem(recipes.RECIPES, "tiny", recipe)
    options = ["--recipe", "tiny", "--data", str(array), "--store", str(tmp_path / "store"), "--quiet"]
    options += ["--device", "cpu", "--precision", "bf16", "--output"]
    assert main([*options, str(tmp_path / "whole")]) == 0
    records = read_log(tmp_path / "whole" / "log.jsonl")
    scores = [record["valid_bits_per_subpixel"] for record in records if "valid_bits_per_subpixel" in record]
    assert scores[-1] < scores[0] < 8
    assert scores[-1] < 7
    assert {"bits", "conditioning_bits"} <= records[-2].keys()
    model, info = load_model(tmp_path / "whole" / "best.safetensors")
    assert info.metrics["valid_bits_per_subpixel"] == pytest.approx(min(scores), abs=1e-3)
    assert model(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 32, 32)).joint.shape == (1, 3, 256, 32, 32)

    with monkeypatch.context() as patch:
        patch.setattr("training.loop._validate_and_keep_best", interrupt)
        with pytest.raises(InterruptedError):
            main([*options, str(tmp_path / "cut")])
    assert main([*options, str(tmp_path / "cut")]) == 0
    ours, theirs = (load_file(tmp_path / run / "model.safetensors") for run in ("cut", "whole"))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def interrupt(*_: object) -> None:
    raise InterruptedError


def test_two_processes_train_the_shipped_recipe(array: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "training"]
    command += ["--recipe", "pixel_recursive_faces_small", "--data", str(array), "--store", str(tmp_path / "store")]
    command += ["--steps", "2", "--batch", "2", "--validate-every", "2", "--quiet", "--device", "cpu"]
    command += ["--output", str(tmp_path / "run")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    _, info = load_model(tmp_path / "run" / "model.safetensors")
    assert info.name == "pixel_recursive_faces_small"
    assert 5 < info.metrics["valid_bits_per_subpixel"] < 9
