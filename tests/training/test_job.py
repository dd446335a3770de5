"""TrainJob and PyTorchJob, against the definitions of every release at hand."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.crds import CRD, find_crds, problems
from training.__main__ import parse
from training.job import Job, Manifest, pytorch_job, train_job

JOB = Job(
    name="edsr-x4",
    namespace="ml",
    image="registry.example/loupe-worker:1.0",
    arguments=("--recipe", "edsr_x4", "--data", "s3://pictures/div2k", "--quiet"),
    nodes=3,
    processes=2,
    cpu="8",
    memory="32Gi",
    gpus=2,
    env={"S3_ENDPOINT_URL": "http://s3:8333"},
    secrets={"AWS_SECRET_ACCESS_KEY": ("loupe-s3", "secret")},
    labels={"pipeline": "train_and_deploy"},
)
SMALL = Job(name="quick", image="worker:1", arguments=("--recipe", "edsr_fast_x4"))


@cache
def definitions(folder: Path, kind: str) -> list[CRD]:
    return find_crds(folder, kind)


def test_it_fits_every_release(crds: Path) -> None:
    releases = set()
    for job in (JOB, SMALL):
        for manifest in (train_job(job), pytorch_job(job, node_selector={"pool": "gpu"}, service_account="trainer")):
            found = definitions(crds, manifest["kind"])
            for crd in found:
                assert problems(manifest, crd) == [], crd.release
                releases.add(crd.release)
    assert {name.rpartition("-v")[0] for name in releases} == {"trainer", "training-operator"}
    assert len([name for name in releases if name.startswith("trainer-v")]) >= 2


def set_at(manifest: Manifest, path: str, value: Any) -> Manifest:
    """A copy with one field changed; ``value`` None deletes it."""
    changed = copy.deepcopy(manifest)
    *parents, last = path.split(".")
    place: Any = changed
    for part in parents:
        place = place[int(part) if part.isdecimal() else part]
    if value is None:
        del place[last]
    else:
        place[int(last) if last.isdecimal() else last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.trainer.numNodes", "3", "'3' is no integer"),
        ("spec.trainer.numNodes", True, "True is no integer"),
        ("spec.trainer.numNodes", 2**31, "does not fit into int32"),
        ("spec.trainer.replicas", 3, "unknown field replicas"),
        ("spec.runtimeRef.name", None, "no name"),
        ("spec.runtimeRef.name", "", "0 characters"),
        ("spec.runtimeRef", None, "no runtimeRef"),
        ("spec.trainer.args", "--recipe", "is no array"),
        ("spec.trainer.env.0.value", 3, "3 is no string"),
        ("spec.trainer.env.1.name", "S3_ENDPOINT_URL", "is there twice"),
        ("spec.trainer.resourcesPerNode.limits.cpu", 1.5, "neither an integer nor a string"),
        ("spec.trainer.resourcesPerNode.limits.memory", "32 Gi", "does not match"),
        ("spec.trainer.numProcPerNode", [2], "spec.trainer.numProcPerNode"),
        ("metadata.name", "edsr_x4", "does not match"),
        ("metadata.labels.pipeline", "not a label!", "does not match"),
        ("metadata.title", "x", "unknown field title"),
        ("apiVersion", "trainer.kubeflow.org/v1", "expected trainer.kubeflow.org/v1alpha1 TrainJob"),
    ],
)
def test_a_wrong_train_job_is_refused(crds: Path, path: str, value: Any, said: str) -> None:
    for crd in definitions(crds, "TrainJob"):
        found = problems(set_at(train_job(JOB), path, value), crd)
        assert any(said in problem for problem in found), (crd.release, found)


def test_fields_that_not_all_releases_have_are_refused_by_the_others(crds: Path) -> None:
    for path, value in (("spec.podTemplateOverrides", []), ("spec.runtimePatches", [])):
        manifest = set_at(train_job(JOB), path, value)
        assert len({bool(problems(manifest, crd)) for crd in definitions(crds, "TrainJob")}) == 2, path


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.nprocPerNode", 2, "2 is no string"),
        ("spec.pytorchReplicaSpecs.Master.template.spec.containers", None, "no containers"),
        ("spec.pytorchReplicaSpecs.Master.template.spec.containers.0.imagee", "x", "unknown field imagee"),
        ("spec.pytorchReplicaSpecs.Master.replicas", "1", "'1' is no integer"),
        ("spec.pytorchReplicaSpecs", None, "no pytorchReplicaSpecs"),
        ("spec.runPolicy.cleanPodPolicy", 3, "3 is no string"),
    ],
)
def test_a_wrong_pytorch_job_is_refused(crds: Path, path: str, value: Any, said: str) -> None:
    for crd in definitions(crds, "PyTorchJob"):
        found = problems(set_at(pytorch_job(JOB), path, value), crd)
        assert any(said in problem for problem in found), (crd.release, found)


def test_both_run_what_a_laptop_runs() -> None:
    trainer = train_job(JOB)["spec"]["trainer"]
    assert trainer["command"] == ["torchrun", "--nnodes=3", "--nproc-per-node=2", "-m", "training"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (3, 2)
    master = pytorch_job(JOB)["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]
    assert master["command"][:3] == trainer["command"][:3]
    assert "--node-rank=$(RANK)" in master["command"]
    assert master["command"][-2:] == ["-m", "training"]
    for arguments in (trainer["args"], master["args"]):
        assert parse(arguments).recipe == "edsr_x4"


def test_a_node_gets_what_was_asked_for() -> None:
    trainer = train_job(JOB)["spec"]["trainer"]
    amounts = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}
    assert trainer["resourcesPerNode"] == {"requests": amounts, "limits": amounts}
    assert trainer["env"] == [
        {"name": "S3_ENDPOINT_URL", "value": "http://s3:8333"},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "loupe-s3", "key": "secret"}}},
    ]
    assert "nvidia.com/gpu" not in train_job(SMALL)["spec"]["trainer"]["resourcesPerNode"]["limits"]
    assert train_job(JOB)["metadata"]["namespace"] == "ml"
    assert train_job(JOB)["metadata"]["labels"]["pipeline"] == "train_and_deploy"


def test_the_operator_finds_one_master_and_the_container_by_its_name() -> None:
    replicas = pytorch_job(JOB, node_selector={"pool": "gpu"})["spec"]["pytorchReplicaSpecs"]
    assert {kind: replica["replicas"] for kind, replica in replicas.items()} == {"Master": 1, "Worker": 2}
    for replica in replicas.values():
        pod = replica["template"]["spec"]
        assert [container["name"] for container in pod["containers"]] == ["pytorch"]
        assert pod["nodeSelector"] == {"pool": "gpu"}
    assert list(pytorch_job(SMALL)["spec"]["pytorchReplicaSpecs"]) == ["Master"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "edsr_x4"}, "name: got 'edsr_x4'"),
        ({"name": "x" * 51}, "at most 50"),
        ({"nodes": 0}, "nodes: got 0"),
        ({"processes": 0}, "processes: got 0"),
        ({"gpus": 2}, "expected one for each of 2 GPUs"),
        ({"gpus": -1}, "gpus: got -1"),
        ({"arguments": ("--data", "x")}, "expected --recipe"),
        ({"env": {"PET_NNODES": "1"}}, "PET_NNODES, expected none"),
        ({"secrets": {"RANK": ("a", "b")}}, "RANK, expected none"),
        ({"env": {"A": "1"}, "secrets": {"A": ("a", "b")}}, "A in secrets too"),
    ],
)
def test_a_job_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    given = {"name": "quick", "image": "worker:1", "arguments": ("--recipe", "edsr_fast_x4"), **change}
    with pytest.raises(ValueError, match=said):
        Job(**given)
