"""The pipeline of the data: its edges, and a whole run on this machine."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.__main__ import main
from pipelines.catalogue import parameters_of
from pipelines.compiling import write_yaml
from pipelines.prepare_data import prepare_data
from training.features.measuring import PARQUET
from training.manifest import read_manifest
from training.pack import open_pack

PARTS = "pipelinechannel--validate-Output"
KEPT = "pipelinechannel--validate-kept"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = write_yaml(prepare_data(), tmp_path_factory.mktemp("compiled") / "prepare_data.yaml")
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def test_the_edges(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    edges = {name: tuple(task.get("dependentTasks", ())) for name, task in tasks.items()}
    assert edges == {
        "ingest": (),
        "validate": ("ingest",),
        "features": ("validate",),
        "for-loop-1": ("validate",),
    }
    assert source_of(tasks["validate"], "manifest") == ("ingest", "manifest")
    assert source_of(tasks["features"], "manifest") == ("validate", "kept")
    assert source_of(tasks["for-loop-1"], KEPT) == ("validate", "kept")


def source_of(task: dict[str, Any], name: str) -> tuple[str, str]:
    made = task["inputs"]["artifacts"][name]["taskOutputArtifact"]
    return made["producerTask"], made["outputArtifactKey"]


def test_parts_are_packed_in_a_loop(spec: dict[str, Any]) -> None:
    loop = spec["root"]["dag"]["tasks"]["for-loop-1"]
    assert loop["iteratorPolicy"]["parallelismLimit"] == 4
    assert loop["parameterIterator"]["items"]["inputParameter"] == PARTS
    assert loop["inputs"]["parameters"][PARTS]["taskOutputParameter"]["producerTask"] == "validate"
    inputs = spec["components"]["comp-for-loop-1"]["dag"]["tasks"]["prepare"]["inputs"]
    assert inputs["artifacts"]["manifest"]["componentInputArtifact"] == KEPT
    assert inputs["parameters"]["part"]["componentInputParameter"] == f"{PARTS}-loop-item"
    assert inputs["parameters"]["scale"]["componentInputParameter"] == "pipelinechannel--scale"


def test_the_parameters() -> None:
    parameters = parameters_of(prepare_data())
    assert all(parameter.description for parameter in parameters.values())
    assert {name: (parameter.kind, parameter.default) for name, parameter in parameters.items()} == {
        "fingerprint": ("String", None),
        "data": ("String", "samples"),
        "valid": ("String", ""),
        "evaluation": ("List[String]", []),
        "store": ("String", "runs/data"),
        "scale": ("Integer", 4),
        "max_dropped": ("Float", 0.2),
        "pictures_a_part": ("Integer", 200),
        "offline": ("String", ""),
    }


def test_ingest_is_answered_from_the_cache_by_the_fingerprint(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    assert tasks["ingest"]["cachingOptions"]["enableCache"]
    assert tasks["ingest"]["inputs"]["parameters"]["fingerprint"] == {"componentInputParameter": "fingerprint"}
    assert "defaultValue" not in spec["root"]["inputDefinitions"]["parameters"]["fingerprint"]


def test_a_whole_run_on_this_machine(photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(photos), "--store", str(tmp_path / "store"), "--pictures-a-part", "2", "--scale", "2"]
    command = ["run", "prepare_data", "--root", str(tmp_path / "runs"), *arguments]
    assert main(command) == 0
    told = capfd.readouterr().out
    assert "kept 4, dropped 0" in told
    (run,) = (tmp_path / "runs").glob("prepare-data-*")
    assert told.endswith(f"report: {run / 'report.html'}\n")
    manifest = read_manifest(run / "validate" / "kept")
    packs = [open_pack(folder) for folder in sorted(run.glob("for-loop-1-iteration-*/prepare/shard"))]
    assert [len(pack.entries) for pack in packs] == [2, 1, 1]
    assert {e.sha256 for pack in packs for e in pack.entries} == {e.sha256 for e in manifest.entries}
    assert {pack.scales for pack in packs} == {(2,)}
    assert (run / "features" / "table" / PARQUET).is_file()
    assert main(command) == 0
    assert "done" not in capfd.readouterr().out  # nothing has changed
    os.utime(photos / "coffee.png")
    assert main(command) == 0
    assert "ingest          done" in capfd.readouterr().out


def test_a_failed_step_fails_the_run_and_stops_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "prepare_data", "--root", str(tmp_path), "--data", "nowhere"]) == 1
    said = (
        "ingest: SourceError: No folder nowhere. Give one with pictures in it, s3://bucket/prefix, div2k, or samples."
    )
    assert capfd.readouterr().err == f"pipelines: {said}\n"
    (run,) = tmp_path.glob("prepare-data-*")
    assert not (run / "validate").exists()
