"""torchrun as a child: its output, its failure, and that nothing of it is left when we are told to stop."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loupe.errors import InvalidOption
from training.launch import TrainingFailed, environment, launch_local


def arguments(photos: Path, folder: Path, *more: str) -> list[str]:
    common = ["--recipe", "edsr_fast_x4", "--data", str(photos), "--store", str(folder / "store"), "--device", "cpu"]
    return [*common, "--batch", "4", "--output", str(folder / "run"), "--quiet", *more]


def test_two_processes_train_and_their_output_comes_through(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launch_local(arguments(photos, tmp_path, "--steps", "2"), processes=2)
    told = capsys.readouterr().out
    assert f"{tmp_path / 'run' / 'model.safetensors'}: done" in told
    assert told.count("step 2 ") == 2, "loss and validation, from rank 0 alone"
    assert (tmp_path / "run" / ".rank1").is_dir()


def test_a_failure_has_the_last_lines(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="multiple of the 3 processes") as failure:
        launch_local(arguments(photos, tmp_path, "--steps", "2"), processes=3)
    assert "exit code" in str(failure.value)


def test_no_processes_are_refused() -> None:
    with pytest.raises(InvalidOption, match="processes: got 0"):
        launch_local([], processes=0)


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert environment(1)["OMP_NUM_THREADS"] == str(cores)
    assert environment(cores)["OMP_NUM_THREADS"] == "1"
    assert environment(cores * 3)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert environment(2)["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_leaves_no_process(photos: Path, tmp_path: Path, number: signal.Signals) -> None:
    code = "import sys; from training.launch import launch_local; launch_local(sys.argv[1:], processes=2)"
    more = ("--steps", "100000", "--save-every", "1")
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments(photos, tmp_path, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 3, "torchrun and two workers"
    process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Cancelled: Training was stopped by {number.name}" in told
    assert not [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
