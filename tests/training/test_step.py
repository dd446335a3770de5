"""Training as a step: on this machine, and on a cluster whose pods are processes here and whose storage speaks S3."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loupe.checkpoint import read_info
from loupe.errors import InvalidOption
from loupe.storage import open_storage
from tests.training.kubernetes_server import KubernetesServer, Object
from training.features.measuring import measure_manifest, write_features
from training.features.repository import FeatureSettings, apply, offline_uri, write_repository
from training.job import NAME
from training.log import read_log
from training.manifest import make_manifest
from training.pack import pack_pictures
from training.step import SCRATCH, Files, Place, Shard, Wanted, figures_of, job_name, run_training, s3_address

WANTED = Wanted("edsr_fast_x4", "mine_x4", 30)
S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_ENDPOINT_URL")


def files(folder: Path) -> Files:
    folder.mkdir(exist_ok=True)
    return Files(folder / "checkpoint", folder / "log", folder / "curves")


@pytest.fixture(scope="module")
def shards(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    folder = tmp_path_factory.mktemp("shards")
    paths = sorted(photos.iterdir())
    parts = {"valid-1-of-1": paths[3:], "train-2-of-2": paths[2:3], "train-1-of-2": paths[:2]}
    return [
        Shard(part, pack_pictures(pictures, folder / part, scales=(4,)), f"minio://pictures/shards/{part}", "ab" * 32)
        for part, pictures in parts.items()
    ]


class Kubelet:
    """Runs the first pod of each job for real, and takes the pods of the first ``take`` jobs away in the middle."""

    def __init__(self, server: KubernetesServer, mirror: str, take: int) -> None:
        self.server, self.mirror, self.take = server, mirror, take
        self.jobs: list[Object] = []
        self.secrets = {"loupe-s3": {key: os.environ[key] for key in S3_KEYS[:2]}}
        server.controller = self.go

    def go(self, job: Object) -> None:
        self.jobs.append(job)
        trainer = job["spec"]["trainer"]
        given = {each["name"]: each for each in trainer["env"]}
        env = {key: value for key, value in os.environ.items() if key not in S3_KEYS} | {"OMP_NUM_THREADS": "1"}
        for name, each in given.items():
            if "value" in each:
                env[name] = each["value"]
            else:
                secret = each["valueFrom"]["secretKeyRef"]
                env[name] = self.secrets[secret["name"]][secret["key"]]
        pod = self.server.start_pod(job, 0)
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", *trainer["command"][1:]]
        process = subprocess.Popen(
            [*torchrun, *trainer["args"]], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        watcher = threading.Thread(target=self.preempt, args=(job, pod, process)) if self.take > 0 else None
        if watcher:
            self.take -= 1
            watcher.start()
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.server.print(pod, line.rstrip("\n"))
        code = process.wait()
        if watcher:
            watcher.join()
        self.server.end(job, succeeded=code == 0, reason="JobsCompleted" if code == 0 else "BackoffLimitExceeded")

    def preempt(self, job: Object, pod: str, process: "subprocess.Popen[str]") -> None:
        """As a spot machine goes: its processes end, its disk is lost."""
        storage = open_storage(f"{self.mirror}/runs/{job['metadata']['name']}")
        deadline = time.monotonic() + 120
        while not storage.exists("last.safetensors") and time.monotonic() < deadline:
            time.sleep(0.02)
        self.server.disrupt(pod)
        process.send_signal(signal.SIGTERM)  # torchrun ends its workers
        process.wait(60)
        shutil.rmtree(f"{SCRATCH}/{job['metadata']['name']}")


@pytest.fixture(scope="module")
def repository(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feast's, which knows the pictures of the shards."""
    folder = tmp_path_factory.mktemp("feast")
    manifest = make_manifest(str(photos), store=folder / "store")
    write_features(measure_manifest(manifest), offline_uri(folder / "repository", FeatureSettings()))
    apply(write_repository(folder / "repository", FeatureSettings()))
    return folder / "repository"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesServer]:
    running = KubernetesServer()
    monkeypatch.setenv("KUBECONFIG", str(running.kubeconfig(tmp_path / "config")))
    yield running
    for name in running.jobs:
        shutil.rmtree(f"{SCRATCH}/{name}", ignore_errors=True)
    running.close()


@pytest.mark.feast
@pytest.mark.filterwarnings("ignore")  # Feast's own and its dependencies'
def test_a_preempted_job_reaches_what_this_machine_reaches(
    shards: list[Shard],
    repository: Path,
    tmp_path: Path,
    bucket: str,
    server: KubernetesServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With weights from Feast, which the pods do not see."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = files(tmp_path / "here")
    run_training(shards, WANTED, here, processes=1, features=repository)
    storage = open_storage("s3://pictures/shards")
    for shard in shards:
        for path in shard.path.iterdir():
            storage.write(f"{shard.part}/{path.name}", path.read_bytes())
    kubelet = Kubelet(server, bucket, take=1)
    there = files(tmp_path / "there")
    place = Place(image="worker:1", storage=bucket, run="run-1")
    figures = run_training(shards, WANTED, there, runner="trainjob", processes=1, features=repository, place=place)
    assert len(kubelet.jobs) == 2, "one was preempted"
    ours, theirs = load_file(there.checkpoint), load_file(here.checkpoint)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())
    assert read_info(there.checkpoint) == read_info(here.checkpoint)
    assert [record["step"] for record in read_log(there.log)] == [record["step"] for record in read_log(here.log)]
    assert there.curves.read_text().startswith("<!doctype html>")
    assert figures["steps"] == 30
    (name,) = {job["metadata"]["name"] for job in kubelet.jobs}
    assert name.startswith("loupe-mine-x4-")
    said = str(kubelet.jobs[0]["spec"])
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in said, "credentials come from a Secret"
    assert kubelet.jobs[0]["metadata"]["namespace"] == "ml", "the kubeconfig's"
    run_training(shards, WANTED, there, runner="trainjob", processes=1, features=repository, place=place)
    assert len(kubelet.jobs) == 2, "the same training finds its job"


@pytest.mark.feast
@pytest.mark.filterwarnings("ignore")  # Feast's own and its dependencies'
def test_pictures_of_shards_are_drawn_by_their_features(repository: Path, shards: list[Shard], tmp_path: Path) -> None:
    made = []
    for name, features in (("weighted", repository), ("even", None)):
        made.append(files(tmp_path / name))
        figures = run_training(shards, Wanted("edsr_fast_x4", "", 2), made[-1], processes=1, features=features)
        assert figures["steps"] == 2
    weighted, even = (load_file(each.checkpoint) for each in made)
    assert any(not torch.equal(tensor, even[key]) for key, tensor in weighted.items()), "other crops were drawn"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runner": "slurm"}, "runner: got 'slurm', expected one of local, trainjob, pytorchjob"),
        ({"wanted": Wanted("nope")}, "recipe: got 'nope', expected one of edsr_"),
        ({"wanted": Wanted("edsr_x4", "Not a name")}, "model: got 'Not a name'"),
        ({"wanted": Wanted("edsr_x4", "", -1)}, "steps: got -1"),
        ({"runner": "pytorchjob", "place": Place(storage="file://x", image="w:1")}, "storage: got file://x"),
        ({"runner": "trainjob", "place": Place(storage="s3://b/p")}, "image: got none"),
        ({"shards": []}, "shards: got parts"),
        ({"shards": [Shard("train-1-of-1", Path("x"), "x"), Shard("test-1", Path("x"), "x")]}, "got parts"),
        ({"runner": "trainjob", "shards": [Shard("train-1-of-1", Path("x"), "/x")]}, "shard: got /x"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    shards: list[Shard], tmp_path: Path, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOUPE_WORKER_IMAGE", raising=False)
    given = {"shards": shards, "wanted": WANTED, "files": files(tmp_path / "out"), **changes}
    with pytest.raises(InvalidOption, match=said):
        run_training(**given)
    assert list((tmp_path / "out").iterdir()) == []


def test_addresses_of_kubeflow_s_object_store_are_s3() -> None:
    assert s3_address("minio://mlpipeline/v2/artifacts/x") == "s3://mlpipeline/v2/artifacts/x"
    assert s3_address("s3://bucket/minio://x") == "s3://bucket/minio://x"
    with pytest.raises(InvalidOption, match="got gs://bucket/x"):
        s3_address("gs://bucket/x")


def test_names_of_jobs_fit_kubernetes_and_tell_runs_apart() -> None:
    for model in ("edsr_x4", "9lives", "a" * 63, "a_-_-_-" * 9, "___"):
        assert NAME.fullmatch(job_name(model, "run")), model
    assert job_name("edsr_x4", "1") == job_name("edsr_x4", "1") != job_name("edsr_x4", "2")
    assert job_name("edsr_x4", "1") != job_name("edsr-x4", "1")


def test_figures_are_those_of_the_whole_log() -> None:
    records = [
        {"step": 50.0, "images_per_second": 10.0, "data_wait": 0.5},
        {"step": 50.0, "valid_psnr_y": 28.0},
        {"step": 100.0, "images_per_second": 40.0, "data_wait": 0.0},
        {"step": 100.0, "valid_psnr_y": 27.5},
    ]
    assert figures_of(records) == {"steps": 100, "valid_psnr_y": 28, "images_per_second": 16, "data_wait": 0.4}
    assert figures_of([]) == {"steps": 0}
