"""A run whose disk is lost resumes from the copy in storage, to the same bits; also when its machines share no disk."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loupe.errors import StorageError
from loupe.storage import open_storage
from training.mirror import FILES, STATE, Mirror
from training.pack import pack_pictures

ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
COMMON = ["--recipe", "edsr_fast_x4", "--steps", "40", "--save-every", "4", "--validate-every", "20", "--batch", "4"]


@pytest.fixture(scope="module")
def shards(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments that name three photos to train on, in two shards, and one to validate on."""
    folder = tmp_path_factory.mktemp("shards")
    paths = sorted(photos.iterdir())
    for name, part in (("train-1-of-2", paths[:2]), ("train-2-of-2", paths[2:3]), ("valid-1-of-1", paths[3:])):
        pack_pictures(part, folder / name, scales=(4,))
    train = [f"--shard={folder / f'train-{number}-of-2'}" for number in (1, 2)]
    return [*train, f"--valid-shard={folder / 'valid-1-of-1'}"]


def command(shards: list[str], folder: Path, mirror: str = "") -> list[str]:
    more = ["--store", str(folder / "store"), "--output", str(folder / "run"), "--device", "cpu", "--quiet"]
    return ["-m", "training", *COMMON, *shards, *more, "--name", "mine_x4", *(["--mirror", mirror] if mirror else [])]


def environment() -> dict[str, str]:
    return os.environ | ENVIRONMENT  # as it is now: a fixture may have added the address of a bucket


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, *arguments]
    return subprocess.run(whole, capture_output=True, text=True, env=environment(), timeout=200, check=False)


@pytest.fixture(scope="module")
def undisturbed(shards: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run(command(shards, folder))
    assert done.returncode == 0, done.stderr
    return folder / "run"


def assert_same_bits(run: Path, other: Path) -> None:
    for name in ("last.safetensors", "model.safetensors", "best.safetensors"):
        ours, theirs = load_file(run / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key]), (name, key)
    losses = [
        [(record["step"], record.get("loss"), record.get("valid_psnr_y")) for record in map(json.loads, lines)]
        for lines in ((folder / "log.jsonl").read_text().splitlines() for folder in (run, other))
    ]
    assert losses[0] == losses[1]


def kill_once_mirrored(processes: list[subprocess.Popen[bytes]], mirror: str) -> None:
    deadline = time.monotonic() + 120
    while not open_storage(mirror).exists(STATE) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in processes:
        process.send_signal(signal.SIGKILL)
    assert [process.wait() for process in processes] == [-signal.SIGKILL] * len(processes)
    assert not open_storage(mirror).exists("model.safetensors"), "it ended before it could be killed"


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_killed_and_without_its_folder_it_reaches_the_same_bits(
    kind: str, shards: list[str], undisturbed: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mirror = f"file://{tmp_path / 'mirror'}" if kind == "file" else request.getfixturevalue("bucket")
    arguments = command(shards, tmp_path, mirror)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    kill_once_mirrored([subprocess.Popen([sys.executable, *arguments], env=environment(), **quiet)], mirror)  # type: ignore[call-overload]
    shutil.rmtree(tmp_path / "run")
    resumed = run(arguments)
    assert resumed.returncode == 0, resumed.stderr
    assert f"from {mirror}" in resumed.stderr
    assert "resuming at step" in resumed.stderr
    assert_same_bits(tmp_path / "run", undisturbed)
    copied = tmp_path / "copied"
    assert Mirror(mirror).restore(copied)
    assert sorted(path.name for path in copied.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (copied / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_machines_that_share_no_disk_resume_together(shards: list[str], tmp_path: Path) -> None:
    """Two torchruns of one process each, as two pods are; the second has lost its folder, or never had one."""

    def start(where: Path, node: int, port: int) -> subprocess.Popen[bytes]:
        torchrun = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--node-rank={node}"]
        address = ["--master-addr=127.0.0.1", f"--master-port={port}"]
        arguments = command(shards, where / f"node{node}", f"file://{where / 'mirror'}")
        log = (where / f"node{node}.log").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, *torchrun, *address, *arguments], env=environment(), stdout=log, stderr=log
            )

    def both(where: Path) -> list[subprocess.Popen[bytes]]:
        where.mkdir(exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return [start(where, node, port) for node in (0, 1)]

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert [process.wait(200) for process in both(whole)] == [0, 0], (whole / "node0.log").read_text()
    processes = both(cut)
    deadline = time.monotonic() + 120
    while not (cut / "mirror" / STATE).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in processes:
        process.terminate()  # torchrun ends its workers
    assert 0 not in [process.wait(60) for process in processes]
    assert not (cut / "mirror" / "model.safetensors").exists()
    shutil.rmtree(cut / "node0")
    assert [process.wait(200) for process in both(cut)] == [0, 0], (cut / "node0.log").read_text()
    for node in (0, 1):
        assert "resuming at step" in (cut / f"node{node}.log").read_text(), "node 1 has the state from node 0"
    assert_same_bits(cut / "node0" / "run", whole / "node0" / "run")


def test_another_data_s_copy_is_not_continued(shards: list[str], undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    done = run(command(shards[1:], tmp_path))
    assert done.returncode == 6, done.stderr
    assert "started with other settings" in done.stderr


def test_a_folder_with_a_state_is_left_alone(tmp_path: Path) -> None:
    mirror = Mirror(f"file://{tmp_path / 'mirror'}")
    assert not mirror.restore(tmp_path / "run"), "nothing is there yet"
    for folder, text in ((tmp_path / "run", "new"), (tmp_path / "mirror", "old")):
        folder.mkdir()
        (folder / STATE).write_text(text)
    assert not mirror.restore(tmp_path / "run")
    assert (tmp_path / "run" / STATE).read_text() == "new"


def test_only_what_changed_is_copied_and_failures_wait_until_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output, there = tmp_path / "run", tmp_path / "mirror"
    output.mkdir()
    for name in FILES:
        (output / name).write_text(name)
    mirror = Mirror(f"file://{there}")
    mirror.save(output)
    best = (there / "best.safetensors").stat().st_ino
    (output / STATE).write_text("later")
    mirror.save(output)
    assert (there / STATE).read_text() == "later"
    assert (there / "best.safetensors").stat().st_ino == best
    shutil.rmtree(there)
    there.write_text("in the way")
    (output / STATE).write_text("latest")
    mirror.save(output)
    assert "goes on without this copy" in caplog.text
    with pytest.raises(StorageError, match="mirror"):
        mirror.save(output, must=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shard", "x"], "got one of --shard and --valid-shard"),
        (["--shard", "x", "--valid-shard", "y", "--data", "z"], "not allowed with"),
        (["--shard", "x", "--valid-shard", "y", "--valid", "z"], "expected --valid-shard"),
        (["--shard", "nowhere", "--valid-shard", "nowhere"], "shard: got nowhere"),
        (["--data", "x", "--name", "Mine!"], "model: got 'Mine!'"),
    ],
)
def test_what_does_not_fit_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run(["-m", "training", "--recipe", "edsr_fast_x4", "--store", str(tmp_path), *arguments])
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
