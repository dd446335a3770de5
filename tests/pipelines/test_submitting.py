"""``python -m pipelines submit`` against a server that checks what it gets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from loupe import __version__
from pipelines.__main__ import main
from pipelines.server import Server as Address
from pipelines.server import connected
from pipelines.submitting import follow
from tests.pipelines.kubeflow import Server

DATA = ["--data", "s3://bucket/photos"]


def submit(server: Server, *more: str) -> int:
    return main(["submit", "prepare_data", "--host", server.url, *DATA, *more])


def bodies(server: Server, kind: str) -> list[dict[str, Any]]:
    return [body for made, body in server.bodies if made == kind]


def test_a_pipeline_is_uploaded_once_and_run_each_time(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(kubeflow, "--secret", "loupe-s3", "--run-name", "first", "--experiment", "tries", "--scale", "2") == 0
    (run,) = kubeflow.kept["runs"]
    told = capsys.readouterr()
    assert told.out == f"{kubeflow.url}/#/runs/details/{run['run_id']}\n"
    (version,) = kubeflow.kept["versions"]
    assert version["display_name"].startswith(f"{__version__}-")
    assert told.err == f"prepare_data: version {version['display_name']} uploaded\n"
    assert run["display_name"] == "first"
    assert run["pipeline_version_reference"] == {
        "pipeline_id": version["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    values = run["runtime_config"]["parameters"]
    assert values.pop("fingerprint").isdigit()  # the time
    assert values == {"data": "s3://bucket/photos", "scale": 2}
    (experiment,) = kubeflow.kept["experiments"]
    assert (run["experiment_id"], experiment["display_name"]) == (experiment["experiment_id"], "tries")
    assert [pipeline["display_name"] for pipeline in kubeflow.kept["pipelines"]] == ["prepare_data"]
    spec, platform = yaml.safe_load_all(kubeflow.yamls[0])
    assert spec["pipelineInfo"]["name"] == "prepare-data"
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-ingest"]["secretAsEnv"][0]["secretName"] == "loupe-s3"

    assert submit(kubeflow, "--secret", "loupe-s3", "--experiment", "tries") == 0
    assert "is there already" in capsys.readouterr().err
    assert len(kubeflow.kept["runs"]) == 2
    assert len(kubeflow.yamls) == len(kubeflow.kept["pipelines"]) == len(kubeflow.kept["experiments"]) == 1

    assert submit(kubeflow, "--no-cache", "--version-name", "mine") == 0
    assert kubeflow.kept["versions"][1]["display_name"] == "mine"
    assert "enableCache: true" not in kubeflow.yamls[1]
    assert len(kubeflow.kept["pipelines"]) == 1


def test_a_version_s_name_stands_for_one_yaml(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(kubeflow, "--version-name", "mine") == 0
    assert submit(kubeflow, "--version-name", "mine") == 0
    assert submit(kubeflow, "--version-name", "mine", "--image", "loupe-worker:other") == 2
    assert "version-name: got mine, which is another YAML" in capsys.readouterr().err
    assert len(kubeflow.kept["runs"]) == 2


def test_a_profile_s_token_and_namespace_are_sent(
    kubeflow: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kubeflow.token, kubeflow.multi_user = "sesame", True
    monkeypatch.setenv("LOUPE_KFP_TOKEN", "sesame")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert submit(kubeflow) == 2
    assert "namespace: got none, but" in capsys.readouterr().err
    assert submit(kubeflow, "--namespace", "ada") == 0
    assert {body["namespace"] for _, body in kubeflow.bodies if "namespace" in body} == {"ada"}
    assert [pipeline["namespace"] for pipeline in kubeflow.kept["pipelines"]] == ["ada"]
    (tmp_path / "token").write_text("sesame\n")
    monkeypatch.setenv("LOUPE_KFP_TOKEN", "wrong")
    assert submit(kubeflow, "--namespace", "ada", "--token-file", str(tmp_path / "token")) == 0
    assert len(kubeflow.kept["runs"]) == 2


def test_waiting_follows_the_steps(
    kubeflow: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.submitting.time.sleep", lambda _: None)
    first = task("ingest", "RUNNING"), task("root", "RUNNING"), task("ingest-driver", "SUCCEEDED")
    looped = task("ingest", "SUCCEEDED"), task("prepare", "RUNNING"), task("prepare", "RUNNING")
    failed = (*looped[:2], task("prepare", "FAILED", "out of memory"))
    kubeflow.progress = [
        state("RUNNING"),
        state("RUNNING", *first),
        state("RUNNING", *looped),
        state("FAILED", *failed),
    ]
    kubeflow.down = 2
    assert submit(kubeflow, "--wait") == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "ingest: running",
        "ingest: succeeded",
        "prepare: running",
        "prepare 2: running",
        "prepare 2: failed",
        "failed: prepare: out of memory",
    ]
    kubeflow.progress = [state("SUCCEEDED", task("ingest", "SUCCEEDED"))]
    assert submit(kubeflow, "--wait") == 0
    kubeflow.progress = [state("CANCELED")]
    assert submit(kubeflow, "--wait") == 1
    assert capsys.readouterr().err.endswith("canceled\n")


def test_a_server_that_stays_away_ends_the_waiting(
    kubeflow: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.submitting.time.sleep", lambda _: None)
    kubeflow.down, kubeflow.progress = 100, [state("RUNNING")]
    assert submit(kubeflow, "--wait") == 8
    assert "503, the server is not ready. Try again in a minute. It says: starting" in capsys.readouterr().err


def test_following_asks_again_only_after_a_while(kubeflow: Server) -> None:
    assert submit(kubeflow) == 0
    kubeflow.progress = [state("RUNNING"), state("SUCCEEDED")]
    told: list[str] = []
    with connected(Address(host=kubeflow.url)) as client:
        ended = follow(client, kubeflow.kept["runs"][0]["run_id"], told=told.append, every=0.01)
    assert (ended.state, ended.steps, ended.error, told) == ("SUCCEEDED", {}, "", [])


def test_what_is_missing_or_wrong_is_said(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["submit", "prepare_data"])
    assert "--host" in capsys.readouterr().err
    assert submit(kubeflow, "--node-selector", "pool") == 2
    assert "node-selector: got 'pool', expected LABEL=VALUE" in capsys.readouterr().err
    assert submit(kubeflow, "--toleration", "a:Never") == 2
    assert "toleration's effect: got 'Never'" in capsys.readouterr().err
    assert submit(kubeflow, "--image", "loupe:latest") == 2
    assert kubeflow.bodies == []


def test_a_parameter_that_is_called_like_an_option_has_a_longer_name(kubeflow: Server) -> None:
    more = ["--namespace", "ada", "--pipeline-namespace", "serving", "--gpus", "2", "--canary", "10", "--weighted"]
    assert main(["submit", "train_and_deploy", "--host", kubeflow.url, *more]) == 0
    (run,) = kubeflow.kept["runs"]
    given = run["runtime_config"]["parameters"]
    assert given.pop("fingerprint").isdigit()
    assert given == {"namespace": "serving", "canary": 10, "weighted": True}
    assert kubeflow.kept["experiments"][0]["namespace"] == "ada"
    train = yaml.safe_load(kubeflow.yamls[0])["deploymentSpec"]["executors"]["exec-train"]
    assert train["container"]["resources"]["accelerator"]["resourceCount"] == "2"


def task(name: str, state: str, error: str = "") -> dict[str, Any]:
    return {"display_name": name, "state": state} | ({"error": {"code": 2, "message": error}} if error else {})


def state(now: str, *tasks: dict[str, Any]) -> dict[str, Any]:
    return {"state": now, "run_details": {"task_details": list(tasks)}}
