"""Jobs followed over real HTTP: success, failure, preemption, cancelling, broken logs, and what is not allowed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loupe.cluster import ClusterError, connect
from loupe.errors import Cancelled
from tests.conftest import CRDS
from tests.crds import CRD, find_crds
from tests.training.kubernetes_server import KubernetesServer, Object
from training.api_server import RULES, current_namespace
from training.cluster import JobFailed, run_job
from training.job import Job, Manifest, pytorch_job, train_job
from training.pods import parse_time

JOB = Job(name="loupe-mine", namespace="ml", image="worker:1", arguments=("--recipe", "edsr_fast_x4"), nodes=2)
MAKERS: dict[str, Callable[[Job], Manifest]] = {"TrainJob": train_job, "PyTorchJob": pytorch_job}


@pytest.fixture(scope="module")
def definitions() -> list[CRD]:
    """What bodies are checked against; without ../shared/crds they are not."""
    return [crd for kind in MAKERS for crd in find_crds(CRDS, kind)] if CRDS.is_dir() else []


@pytest.fixture
def server(definitions: list[CRD]) -> Iterator[KubernetesServer]:
    running = KubernetesServer(definitions)
    yield running
    running.close()


def run(server: KubernetesServer, manifest: Manifest | None = None, **options: Any) -> None:
    run_job(manifest or train_job(JOB), api=server.api(), **{"poll": 0.05, "retries": 0, **options})


def script(server: KubernetesServer, *tries: Callable[[Object], None]) -> list[Object]:
    """The n-th job that is created goes as the n-th of ``tries``; the list fills with the jobs."""
    made: list[Object] = []

    def controller(job: Object) -> None:
        made.append(job)
        tries[len(made) - 1](job)

    server.controller = controller
    return made


def train_well(server: KubernetesServer) -> Callable[[Object], None]:
    def go(job: Object) -> None:
        main, other = server.start_pod(job, 0, "Pending"), server.start_pod(job, 1)
        time.sleep(0.15)
        server.pods[main]["status"]["phase"] = "Running"
        for step in range(5):
            server.print(main, f"step {step}")
            server.print(other, f"rank 1 at {step}")
            time.sleep(0.07)
        server.print(main, "done", "done")
        server.end(job, reason="AllJobsCompleted", message="all went well")

    return go


def lose(server: KubernetesServer, reason: str = "PreemptionByScheduler") -> Callable[[Object], None]:
    def go(job: Object) -> None:
        pod = server.start_pod(job, 0)
        server.print(pod, "step 1")
        server.disrupt(pod, reason)
        time.sleep(0.3)
        with server.lock:
            server.pods.clear()
        server.end(job, succeeded=False, reason="BackoffLimitExceeded", message="pods failed")

    return go


def break_down(server: KubernetesServer) -> Callable[[Object], None]:
    def go(job: Object) -> None:
        pod = server.start_pod(job, 0)
        server.print(pod, *(f"line {n}" for n in range(30)), "FloatingPointError: step 7")
        server.end(job, succeeded=False, reason="BackoffLimitExceeded", message="Job has reached the limit")

    return go


@pytest.mark.parametrize("kind", MAKERS)
def test_it_returns_at_success_with_each_line_printed_once(
    server: KubernetesServer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script(server, train_well(server))
    run(server, MAKERS[kind](JOB))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{kind} ml/loupe-mine: submitted"
    assert [line for line in lines if line.startswith(("step", "done"))] == [
        *(f"step {step}" for step in range(5)),
        "done",
        "done",
    ]
    others = [line for line in lines if "rank 1" in line]
    assert [line.partition("] ")[2] for line in others] == [f"rank 1 at {step}" for step in range(5)]
    assert all(line.startswith("[loupe-mine-") for line in others)
    assert "AllJobsCompleted: all went well" in lines[-1]
    assert "loupe-mine" in server.jobs, "a job that has ended stays"
    plural = {"TrainJob": "trainjobs", "PyTorchJob": "pytorchjobs"}[kind]
    assert set(server.seen) == {("create", plural), ("get", plural), ("list", "pods"), ("get", "pods/log")}


def test_a_failure_says_why_with_the_last_lines(server: KubernetesServer) -> None:
    script(server, break_down(server))
    with pytest.raises(JobFailed) as failure:
        run(server)
    told = str(failure.value)
    assert "TrainJob ml/loupe-mine: Failed: BackoffLimitExceeded: Job has reached the limit" in told
    assert told.endswith("line 29\nFloatingPointError: step 7")
    assert "line 9\n" not in told
    assert ("delete", "trainjobs") not in server.seen, "it stays, for people to look at"


def test_a_failure_is_tried_again_as_often_as_said(server: KubernetesServer) -> None:
    server.deletion_seconds = 0.2
    made = script(server, break_down(server), train_well(server))
    run(server, retries=1)
    assert len({job["metadata"]["uid"] for job in made}) == 2
    assert made[0]["spec"] == made[1]["spec"], "with the same mirror, so it resumes"
    assert server.seen.count(("delete", "trainjobs")) == 1


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("reason", ["PreemptionByScheduler", "DeletionByTaintManager"])
def test_lost_pods_are_no_failure(server: KubernetesServer, kind: str, reason: str) -> None:
    made = script(server, lose(server, reason), lose(server, reason), train_well(server))
    run(server, MAKERS[kind](JOB), retries=0)
    assert len(made) == 3


def test_an_evicted_pod_of_an_older_cluster_is_lost_too(server: KubernetesServer) -> None:
    def evict(job: Object) -> None:
        pod = server.start_pod(job, 0)
        server.pods[pod]["status"] |= {"phase": "Failed", "reason": "Evicted"}
        time.sleep(0.2)
        server.end(job, succeeded=False)

    made = script(server, evict, train_well(server))
    run(server, retries=0)
    assert len(made) == 2


def test_too_many_losses_are_a_failure(server: KubernetesServer) -> None:
    made = script(server, lose(server), lose(server))
    with pytest.raises(JobFailed, match=r"lost pod loupe-mine-node-0-0-.*: PreemptionByScheduler"):
        run(server, preemptions=1)
    assert len(made) == 2


def test_a_log_that_breaks_loses_and_repeats_nothing(
    server: KubernetesServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.cuts = [0, 40, 41, 75, 100, 33]
    script(server, train_well(server))
    run(server)
    assert server.cuts == []
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("step", "done"))]
    assert told == [*(f"step {step}" for step in range(5)), "done", "done"]


def test_why_a_pod_does_not_start_is_said_once(server: KubernetesServer, capsys: pytest.CaptureFixture[str]) -> None:
    def wait(job: Object) -> None:
        status = server.pods[server.start_pod(job, 0, "Pending")]["status"]
        full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no GPU"}
        status["conditions"].append(full)
        time.sleep(0.2)
        status["conditions"][0] |= {"status": "True"}
        waiting = {"reason": "ImagePullBackOff", "message": "worker:1 not found"}
        status["containerStatuses"] = [{"name": "node", "state": {"waiting": waiting}}]
        server.condition(job, "Suspended", "Suspended", "TrainJob is suspended")
        time.sleep(0.2)
        server.end(job)

    script(server, wait)
    run(server)
    told = capsys.readouterr().out
    assert told.count("Unschedulable: 0/3 nodes: no GPU") == 1
    assert told.count("ImagePullBackOff: worker:1 not found") == 1
    assert told.count("Suspended: TrainJob is suspended") == 1


def place(server: KubernetesServer, job: Job = JOB) -> Object:
    """A job that is there already."""
    body = train_job(job)
    return server.create("TrainJob", "ml", body, {"fieldValidation": "Strict"})


def test_a_job_that_runs_is_followed(server: KubernetesServer, capsys: pytest.CaptureFixture[str]) -> None:
    made = script(server, train_well(server))
    place(server)
    run(server)
    assert len(made) == 1
    assert "is there already, and is followed" in capsys.readouterr().out
    run(server)
    assert len(made) == 1, "one that has succeeded is what was asked for"


def test_a_job_that_had_failed_is_made_anew(server: KubernetesServer) -> None:
    made = script(server, lambda job: server.end(job, succeeded=False), train_well(server))
    place(server)
    time.sleep(0.1)
    run(server, retries=0)
    assert len(made) == 2


def test_a_job_on_its_way_out_is_waited_for(server: KubernetesServer) -> None:
    server.deletion_seconds = 0.5
    made = script(server, lambda job: None, train_well(server))
    uid = place(server)["metadata"]["uid"]
    server.delete("loupe-mine", {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}})
    run(server)
    assert len(made) == 2


def test_another_job_of_that_name_is_left_alone(server: KubernetesServer) -> None:
    place(server, Job(name=JOB.name, namespace="ml", image="worker:2", arguments=JOB.arguments))
    with pytest.raises(ClusterError, match=r"runs worker:2 .*, expected worker:1 .*; delete it, or use another name"):
        run(server)
    assert ("delete", "trainjobs") not in server.seen


def test_a_job_that_somebody_deletes_is_a_failure(server: KubernetesServer) -> None:
    def vanish(job: Object) -> None:
        server.print(server.start_pod(job, 0), "step 1")
        time.sleep(0.3)
        with server.lock:
            server.jobs.clear()

    script(server, vanish)
    with pytest.raises(JobFailed, match="somebody deleted it"):
        run(server)


def test_an_api_server_that_is_away_for_a_moment_is_waited_for(server: KubernetesServer) -> None:
    def go(job: Object) -> None:
        server.unavailable = 2
        time.sleep(0.3)
        train_well(server)(job)

    made = script(server, go)
    server.unavailable = 1
    run(server)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("verb", "resource"), [("create", "trainjobs"), ("get", "trainjobs"), ("list", "pods"), ("get", "pods/log")]
)
def test_a_right_that_lacks_is_named(server: KubernetesServer, verb: str, resource: str) -> None:
    server.rules = [
        {**rule, "verbs": [each for each in rule["verbs"] if (each, rule["resources"]) != (verb, [resource])]}
        for rule in RULES
    ]
    script(server, lambda job: server.print(server.start_pod(job, 0), "step 1"))
    with pytest.raises(ClusterError) as refused:
        run(server)
    told = str(refused.value)
    assert f"Cannot {verb} {resource} in namespace ml: 403" in told
    assert "system:serviceaccount:ml:pipeline-runner" in told
    (rule,) = [rule for rule in RULES if resource in rule["resources"]]
    assert json.dumps(rule) in told
    assert not server.jobs, "what was submitted is deleted"


def test_without_the_right_to_delete_a_person_is_told(
    server: KubernetesServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.rules = [{**rule, "verbs": ["create"]} for rule in RULES]
    with pytest.raises(ClusterError, match="Cannot get trainjobs in namespace ml: 403"):
        run(server)
    assert "may still run" in caplog.text
    assert "kubectl delete -n ml trainjobs loupe-mine" in caplog.text


def test_what_the_server_refuses_is_said(server: KubernetesServer) -> None:
    server.limit = 1
    with pytest.raises(ClusterError, match="Cannot create trainjobs in namespace ml: 422 got 2 nodes, at most 1"):
        run(server)


FOLLOW = """
from training.cluster import run_job
from training.job import Job, train_job
from training.api_server import current_namespace
job = Job(name="loupe-mine", namespace=current_namespace(), image="worker:1", arguments=("--recipe", "edsr_fast_x4"))
run_job(train_job(job), poll=0.1)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_deletes_the_job(server: KubernetesServer, tmp_path: Path, number: signal.Signals) -> None:
    """A real process, which finds the cluster by a kubeconfig."""
    script(server, lambda job: server.print(server.start_pod(job, 0), "step 1"))
    environment = os.environ | {"KUBECONFIG": str(server.kubeconfig(tmp_path / "config"))}
    process = subprocess.Popen(
        [sys.executable, "-c", FOLLOW], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "step 1\n":
            break
    assert "loupe-mine" in server.jobs
    process.send_signal(number)
    told = process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 1
    assert "TrainJob ml/loupe-mine: deleted" in told
    assert f"Cancelled: Training was stopped by {number.name}" in told
    assert not server.jobs
    assert not server.pods


def test_a_signal_after_the_end_deletes_nothing(server: KubernetesServer) -> None:
    """It comes with the answer that says that the job has failed."""

    def go(job: Object) -> None:
        server.end(job, succeeded=False)
        os.kill(os.getpid(), signal.SIGTERM)

    script(server, go)
    with pytest.raises((Cancelled, JobFailed)):
        run(server, retries=0)
    assert "loupe-mine" in server.jobs


def test_without_a_cluster_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterError, match="neither a pod's ServiceAccount nor a kubeconfig"):
        connect()
    assert current_namespace() == "default"


def test_times_are_compared_as_times() -> None:
    given = ["2026-11-23T04:00:00Z", "2026-11-23T04:00:00.000000001Z", "2026-11-23T04:00:00.1Z", "2026-11-23T04:00:01Z"]
    times = [parse_time(each) for each in given]
    assert None not in times
    assert times == sorted(times)  # type: ignore[type-var]
    assert parse_time("2026-11-23T06:00:00.25+02:00") == parse_time("2026-11-23T04:00:00.250Z")
    assert parse_time("unable") is None
