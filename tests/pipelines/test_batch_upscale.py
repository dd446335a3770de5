"""The pipeline of batches: its edges, and whole runs on this machine, in process and at a server."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from loupe.images import decode
from pipelines.__main__ import main
from pipelines.batch_upscale import batch_upscale
from pipelines.catalogue import parameters_of
from pipelines.compiling import write_yaml
from tests.serving.servers import Server


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = write_yaml(batch_upscale(), tmp_path_factory.mktemp("compiled") / "batch_upscale.yaml")
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def test_the_edges(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    assert {name: tuple(task.get("dependentTasks", ())) for name, task in tasks.items()} == {
        "plan-batch": (),
        "for-loop-1": ("plan-batch",),
        "collect-failures": ("for-loop-1", "plan-batch"),
    }
    loop = tasks["for-loop-1"]
    assert loop["iteratorPolicy"]["parallelismLimit"] == 4
    assert loop["parameterIterator"]["items"]["inputParameter"] == "pipelinechannel--plan-batch-Output"
    part = spec["components"]["comp-for-loop-1"]["dag"]["tasks"]["upscale-part"]["inputs"]
    assert part["artifacts"]["plan"]["componentInputArtifact"] == "pipelinechannel--plan-batch-plan"
    assert part["parameters"]["part"]["componentInputParameter"] == "pipelinechannel--plan-batch-Output-loop-item"
    assert part["parameters"]["endpoint"]["componentInputParameter"] == "pipelinechannel--endpoint"
    collected = tasks["collect-failures"]["inputs"]["artifacts"]
    assert collected["plan"]["taskOutputArtifact"]["producerTask"] == "plan-batch"
    assert collected["outcomes"]["taskOutputArtifact"] == {
        "producerTask": "for-loop-1",
        "outputArtifactKey": "pipelinechannel--upscale-part-outcome",
    }


def test_what_looks_at_places_is_never_answered_from_the_cache(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    assert "enableCache" not in tasks["plan-batch"]["cachingOptions"]
    assert "enableCache" not in spec["components"]["comp-for-loop-1"]["dag"]["tasks"]["upscale-part"]["cachingOptions"]


def test_the_parameters() -> None:
    parameters = parameters_of(batch_upscale())
    assert all(parameter.description for parameter in parameters.values())
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "source": None,
        "target": None,
        "model": "",
        "scale": 0,
        "format": "",
        "quality": 0,
        "endpoint": "",
        "pictures_a_part": 200,
    }


@pytest.fixture
def source(photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    shutil.copytree(photos, folder / "album")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def run(tmp_path: Path, source: Path, *more: str) -> tuple[int, dict[str, Any], list[dict[str, str]], list[Path]]:
    """The exit code, the metrics, the failures and the results."""
    root, target = tmp_path / "runs", tmp_path / "out"
    shutil.rmtree(root, ignore_errors=True)
    arguments = ["--source", str(source), "--target", str(target), "--format", "JPEG"]
    code = main(["run", "batch_upscale", "--root", str(root), *arguments, *more])
    (told,) = root.glob("*/collect-failures/executor_output.json")
    metrics = json.loads(told.read_text())["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    failures = json.loads((told.parent / "failures").read_text())
    assert "`broken.png`" in (told.parent / "report").read_text()
    return code, metrics, failures, sorted(target.glob("album/*"))


def test_a_whole_run_in_process_and_again(
    source: Path, tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_MODELS_DIR", str(tiny_models))
    code, metrics, failures, results = run(tmp_path, source, "--model", "tiny_x2")
    assert (code, metrics) == (0, {"made": 4, "skipped": 0, "failed": 1})
    assert [failure["source"] for failure in failures] == ["broken.png"]
    assert [path.name for path in results] == ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"]
    assert decode(results[0].read_bytes()).width == 2 * 512
    results[0].unlink()
    assert run(tmp_path, source, "--model", "tiny_x2")[:2] == (0, {"made": 1, "skipped": 3, "failed": 1})


def test_a_whole_run_at_an_inference_server(watched: Server, source: Path, tmp_path: Path) -> None:
    before = watched.metric("loupe_picture_feature_count", model="tiny_x2")
    code, metrics, _, results = run(
        tmp_path, source, "--model", "tiny_x2", "--endpoint", watched.url, "--pictures-a-part", "3"
    )
    assert (code, metrics) == (0, {"made": 4, "skipped": 0, "failed": 1})
    assert len(list((tmp_path / "runs").glob("*/for-loop-1-iteration-*"))) == 2
    assert decode(results[0].read_bytes()).width == 2 * 512
    assert watched.metric("loupe_picture_feature_count", model="tiny_x2") == before  # tiles, and no picture of a person


def test_a_source_without_pictures_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--source", str(tmp_path / "nowhere"), "--target", str(tmp_path / "out")]
    assert main(["run", "batch_upscale", "--root", str(tmp_path / "runs"), *arguments]) == 1
    assert "got no pictures there" in capfd.readouterr().out
