"""From raw pictures to a served model: the DAG as it compiles, and the whole of it on this machine, small."""

import io
from typing import Any, NamedTuple

import pytest
import yaml
from rich.console import Console

from loupe.settings import Settings
from loupe.storage import FileStorage
from loupe.versions import list_versions, read_pointer, show
from pipelines.catalogue import build, parameters_of
from pipelines.compiling import write_yaml
from pipelines.placement import Placement
from pipelines.running import run_here
from pipelines.summary import Summary, result_of


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    placement = Placement(secret="s3", config_map="loupe", gpus=1, node_selector={"pool": "gpu"})
    path = tmp_path_factory.mktemp("compiled") / "train_and_deploy.yaml"
    write_yaml(build("train_and_deploy", placement), path, image="registry/worker:1.0")
    loaded: dict[str, Any] = next(yaml.safe_load_all(path.read_text()))
    return loaded


def test_the_edges(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    edges = {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()}
    loop = "for-loop-1"
    assert edges == {
        "ingest": set(),
        "validate": {"ingest"},
        "features": {"validate"},
        loop: {"validate"},
        "reference": {loop},
        "train": {loop, "features"},
        "evaluate": {"train", "features", "validate"},
        "gate": {"train", "evaluate", "validate"},
        next(name for name in tasks if name.startswith("condition")): {"gate", "train", "evaluate", "reference"},
    }


def test_behind_the_gate(spec: dict[str, Any]) -> None:
    (name,) = (name for name in spec["root"]["dag"]["tasks"] if name.startswith("condition"))
    task = spec["root"]["dag"]["tasks"][name]
    assert task["triggerPolicy"]["condition"].endswith("['pipelinechannel--gate-Output'] == 'promote'")
    inner = spec["components"][task["componentRef"]["name"]]["dag"]["tasks"]
    assert {name: set(task.get("dependentTasks", ())) for name, task in inner.items()} == {
        "package": set(),
        "publish": {"package"},
        "smoke": {"package", "publish"},
    }
    endpoint = inner["smoke"]["inputs"]["parameters"]["endpoint"]["taskOutputParameter"]
    assert endpoint == {"outputParameterKey": "Output", "producerTask": "publish"}
    assert "retryPolicy" not in inner["smoke"]  # it has taken the version back


def test_what_depends_on_storage_is_never_answered_from_the_cache(spec: dict[str, Any]) -> None:
    def uncached(dag: dict[str, Any]) -> set[str]:
        found = set()
        for name, task in dag["dag"]["tasks"].items():
            component = spec["components"][task["componentRef"]["name"]]
            if "dag" in component:
                found |= uncached(component)
            elif "enableCache" not in task["cachingOptions"]:
                found.add(name)
        return found

    assert uncached(spec["root"]) == {"gate", "package", "publish", "smoke"}


def test_steps_that_compute_get_the_gpu(spec: dict[str, Any]) -> None:
    executors = spec["deploymentSpec"]["executors"]
    containers = {name.removeprefix("exec-"): executor["container"] for name, executor in executors.items()}
    gpus = {name for name, container in containers.items() if "accelerator" in container["resources"]}
    assert gpus == {"train", "evaluate", "gate"}
    assert containers["train"]["resources"]["accelerator"]["resourceCount"] == "1"
    assert {container["image"] for container in containers.values()} == {"registry/worker:1.0"}
    assert all(container["resources"]["resourceMemoryLimit"] for container in containers.values())


def test_every_parameter_is_described_and_only_the_fingerprint_must_be_given() -> None:
    parameters = parameters_of(build("train_and_deploy"))
    assert all(parameter.description for parameter in parameters.values())
    assert [name for name, parameter in parameters.items() if parameter.default is None] == ["fingerprint"]


class Runs(NamedTuple):
    """Three runs over one storage: of one training, the same again, and of a worse one."""

    storage: FileStorage
    first: Summary
    again: Summary
    worse: Summary


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("whole")
    storage = FileStorage(folder / "storage")
    given = {
        "fingerprint": "1",
        "data": "samples",
        "store": str(folder / "store"),
        "storage": f"file://{storage.root}",
        "pictures_a_part": 3,
    }

    def run(**more: object) -> Summary:
        values = {name: known.default for name, known in parameters_of(build("train_and_deploy")).items()}
        console = Console(file=io.StringIO())
        return run_here(build("train_and_deploy"), {**values, **given, **more}, folder / "runs", console=console)

    first = run(steps=150)
    return Runs(storage, first, run(steps=150), run(steps=2, processes=1))


def states(summary: Summary) -> dict[str, str]:
    return {row.name: row.state for row in summary.rows}


def row(summary: Summary, name: str) -> Any:
    return next(row for row in summary.rows if row.name == name)


@pytest.mark.timeout(900)
def test_a_whole_run_ends_with_a_version_that_serves(runs: Runs) -> None:
    assert not runs.first.failed
    assert set(states(runs.first).values()) == {"done"}
    names = "ingest validate features prepare train evaluate gate reference package publish smoke"
    assert {row.name for row in runs.first.rows} == set(names.split())
    (version,) = list_versions(runs.storage)
    assert (version.name, version.version, version.stage) == ("edsr_fast_x4_custom", "1", "serving")
    assert version.lineage.recipe == "edsr_fast_x4"
    (kept,) = (made for made in row(runs.first, "validate").artifacts if made.name == "kept")
    assert version.lineage.data == kept.metadata["version"]
    assert version.metrics["psnr_y"] == pytest.approx(row(runs.first, "evaluate").figures["psnr_y"])
    assert result_of(row(runs.first, "gate")).startswith("Promoted: psnr_y is ")


def test_the_report_shows_curves_table_and_contact_sheet(runs: Runs) -> None:
    page = (runs.first.folder / "report.html").read_text()
    for shown in ("Promoted: psnr_y", "valid_psnr_y", "chelsea", "data:image/", "&lt;svg"):
        assert shown in page
    assert "<script" not in page


def test_the_same_again_is_answered_from_the_cache_and_not_promoted_twice(runs: Runs) -> None:
    assert states(runs.again) == {
        **dict.fromkeys(("ingest", "validate", "features", "prepare", "train", "evaluate", "reference"), "cached"),
        "gate": "done",
    }
    assert result_of(row(runs.again, "gate")) == (
        "Not promoted, because version 1, which serves, is this very checkpoint."
    )


def test_a_worse_one_is_trained_and_not_promoted(runs: Runs) -> None:
    assert not runs.worse.failed
    assert {name for name, state in states(runs.worse).items() if state == "done"} == {"train", "evaluate", "gate"}
    assert result_of(row(runs.worse, "gate")).startswith("Not promoted, because psnr_y is ")
    assert [version.version for version in list_versions(runs.storage)] == ["1"]
    pointer = read_pointer(runs.storage, "edsr_fast_x4_custom")
    assert pointer is not None
    assert pointer.current == "1"
    assert show(runs.storage, "edsr_fast_x4_custom", "1").stage == "serving"


def test_the_model_is_there_for_whoever_serves_from_this_storage(runs: Runs) -> None:
    from loupe.registry import find_models

    found = find_models(Settings(storage=f"file://{runs.storage.root}"))
    assert found["edsr_fast_x4_custom"].is_relative_to(runs.storage.root)
