"""The pipeline that watches for drift: its edges, and both ends over a real server."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.catalogue import build, parameters_of
from pipelines.compiling import write_yaml
from pipelines.placement import LAPTOP, Placement
from pipelines.prepare_data import prepare_data
from pipelines.running import local_runner
from pipelines.train_and_deploy import train_and_deploy
from pipelines.watch_drift import OWN, watch_drift
from tests.serving.servers import Server


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    pipeline = watch_drift(train_and_deploy, Placement(secret="loupe-s3"))
    path = write_yaml(pipeline, tmp_path_factory.mktemp("compiled") / "watch_drift.yaml")
    return list(yaml.safe_load_all(path.read_text()))


def test_training_runs_only_when_the_pictures_drifted(documents: list[dict[str, Any]]) -> None:
    tasks = documents[0]["root"]["dag"]["tasks"]
    assert {name: tuple(task.get("dependentTasks", ())) for name, task in tasks.items()} == {
        "drift": (),
        "condition-1": ("drift",),
    }
    condition = tasks["condition-1"]["triggerPolicy"]["condition"]
    assert condition == "inputs.parameter_values['pipelinechannel--drift-Output'] == 'drifted'"
    assert "enableCache" not in tasks["drift"]["cachingOptions"]


def test_the_parameters_are_passed_on(documents: list[dict[str, Any]]) -> None:
    spec = documents[0]
    (nested,) = spec["components"]["comp-condition-1"]["dag"]["tasks"].values()
    passed = {
        name: given["componentInputParameter"].removeprefix("pipelinechannel--")
        for name, given in nested["inputs"]["parameters"].items()
    }
    assert passed == {name: name for name in parameters_of(train_and_deploy())}
    watched = spec["root"]["dag"]["tasks"]["drift"]["inputs"]["parameters"]
    assert {name: given["componentInputParameter"] for name, given in watched.items()} == {name: name for name in OWN}


def test_the_nested_steps_are_placed_too(documents: list[dict[str, Any]]) -> None:
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {"exec-drift", "exec-train", "exec-publish"} <= executors.keys()
    assert all("secretAsEnv" in executor for executor in executors.values())


def test_the_parameters_are_its_own_and_the_nested_ones() -> None:
    found, nested = parameters_of(build("watch_drift")), parameters_of(train_and_deploy())
    assert set(found) == set(OWN) | set(nested)
    assert all(parameter.description for parameter in found.values())
    alone = nested.keys() - OWN.keys()
    assert {name: found[name] for name in alone} == {name: nested[name] for name in alone}
    assert [name for name, parameter in found.items() if parameter.default is None] == ["model", "fingerprint"]
    assert found["servers"].kind == "List[String]"
    assert (found["window"].default, found["psi"].default, found["min_pictures"].default) == ("7d", 0.25, 100)


def run(root: Path, model: str, watched: Server, versions: str, photos: Path, **more: object) -> Path:
    """With the shorter pipeline of the data in the place of that of the training: it is nested in the same way."""
    with local_runner(root):
        watch_drift(prepare_data, LAPTOP)(
            model=model,
            servers=[watched.url],
            storage=versions,
            fingerprint="of this test",
            data=str(photos),
            store=str(root / "store"),
            **{"min_pictures": 40, **more},
        )
    (made,) = (folder for folder in root.iterdir() if (folder / "drift").is_dir())
    return made


def verdict_of(made: Path) -> str:
    told = json.loads((made / "drift" / "executor_output.json").read_text())
    return str(told["parameterValues"]["Output"])


def test_dark_pictures_start_the_nested_pipeline(watched: Server, versions: str, photos: Path, tmp_path: Path) -> None:
    made = run(tmp_path, "tiny_x4", watched, versions, photos)
    assert verdict_of(made) == "drifted"
    assert "light_mean" in (made / "drift" / "report").read_text().splitlines()[2]
    assert (made / "drift" / "page").read_text().count("<svg") == 8
    assert (made / "validate" / "kept").is_file()
    assert len(list(made.glob("for-loop-1-iteration-*/prepare/shard/pack.json"))) == 2


def test_pictures_of_the_training_start_nothing(watched: Server, versions: str, photos: Path, tmp_path: Path) -> None:
    made = run(tmp_path, "tiny_x2", watched, versions, photos)
    assert verdict_of(made) == "steady"
    assert not (made / "ingest").exists()


def test_too_few_pictures_start_nothing(watched: Server, versions: str, photos: Path, tmp_path: Path) -> None:
    made = run(tmp_path, "tiny_x4", watched, versions, photos, min_pictures=41)
    assert verdict_of(made) == "too few pictures"
    assert not (made / "ingest").exists()
