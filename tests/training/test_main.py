"""Training as a person runs it: alone, killed and started again, and distributed over two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loupe.checkpoint import load_model
from training.__main__ import choose_recipe, main, parse
from training.features.measuring import measure_manifest, write_features
from training.features.repository import FeatureSettings, apply, offline_uri, write_repository
from training.manifest import make_manifest
from training.recipes import RECIPES

TRAIN = ["-m", "training", "--recipe", "edsr_fast_x4", "--steps", "40", "--save-every", "5", "--validate-every", "20"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def arguments(photos: Path, folder: Path) -> list[str]:
    options = ["--data", str(photos), "--store", str(folder / "store"), "--batch", "4", "--quiet", "--device", "cpu"]
    return [*TRAIN, *options, "--output", str(folder / "run")]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=200, check=False)


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run([sys.executable, *arguments(photos, folder)])
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout
    return folder / "run"


def test_leaves_checkpoints_and_a_log(undisturbed: Path) -> None:
    model, info = load_model(undisturbed / "model.safetensors")
    assert info.name == "edsr_fast_x4"
    assert model(torch.rand(1, 3, 8, 8)).shape == (1, 3, 32, 32)
    records = [json.loads(line) for line in (undisturbed / "log.jsonl").read_text().splitlines()]
    scores = [record["valid_psnr_y"] for record in records if "valid_psnr_y" in record]
    assert len(scores) == 2
    assert info.metrics["valid_psnr_y"] == pytest.approx(max(scores), abs=1e-3)
    assert records[-1]["step"] == 40
    assert any((undisturbed / "tensorboard").iterdir())


def test_killed_and_started_again_it_reaches_the_same_bits(photos: Path, tmp_path: Path, undisturbed: Path) -> None:
    command = [sys.executable, *arguments(photos, tmp_path)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "run" / "model.safetensors").exists(), "it ended before it could be killed"
    resumed = run(command)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming at step" in resumed.stderr
    for name in ("last.safetensors", "model.safetensors"):
        ours, theirs = load_file(tmp_path / "run" / name), load_file(undisturbed / name)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key]), key
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_two_processes_train_as_one(photos: Path, tmp_path: Path, undisturbed: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = run([*command, *arguments(photos, tmp_path)])
    assert done.returncode == 0, done.stderr
    ours, theirs = load_file(tmp_path / "run" / "model.safetensors"), load_file(undisturbed / "model.safetensors")
    for key, tensor in ours.items():  # gradients are averaged in another order, so not to the bit
        torch.testing.assert_close(tensor.float(), theirs[key].float(), atol=5e-3, rtol=0)


def test_another_recipes_state_is_not_continued(photos: Path, undisturbed: Path) -> None:
    done = run([sys.executable, *arguments(photos, undisturbed.parent), "--seed", "7"])
    assert done.returncode == 6
    assert "started with other settings" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.feast
@pytest.mark.filterwarnings("ignore")  # Feast's own and its dependencies'
def test_pictures_are_drawn_by_their_features(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In this process: Feast and torch are imported already, and take seconds."""
    repository = tmp_path / "repository"
    manifest = make_manifest(str(photos), store=tmp_path / "store")
    write_features(measure_manifest(manifest), offline_uri(repository, FeatureSettings()))
    apply(write_repository(repository, FeatureSettings()))
    options = [*arguments(photos, tmp_path)[2:], "--steps", "5"]
    assert main([*options, "--features", str(repository)]) == 0
    assert main(options) == 6
    assert "started with other settings" in capsys.readouterr().err, "other weights are another run"


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run([sys.executable, *arguments(tmp_path / "empty", tmp_path)])
    assert done.returncode != 0
    assert str(tmp_path / "empty") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_short_run_ends_its_warmup_in_time() -> None:
    given = ["--recipe", "edsr_fast_x4", "--data", "photos"]
    assert choose_recipe(parse(given)).warmup == RECIPES["edsr_fast_x4"]().warmup == 200
    assert choose_recipe(parse([*given, "--steps", "150"])).warmup == 15
    assert choose_recipe(parse([*given, "--steps", "90000"])).warmup == 200
