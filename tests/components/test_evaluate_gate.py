"""evaluate and gate, really run as steps, with both branches behind the gate."""

import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from PIL import Image

from components import component
from components.evaluate import evaluate
from components.gate import gate
from loupe.assessment import read_assessment
from loupe.checkpoint import load_model, save_checkpoint
from loupe.records import Lineage
from loupe.registry import WEIGHTS
from loupe.storage import open_storage
from loupe.versions import promote, register
from training.features.measuring import measure_manifest, write_features
from training.features.repository import FeatureSettings, apply, write_repository
from training.manifest import Manifest, make_manifest, write_manifest

pytestmark = [pytest.mark.usefixtures("runs"), pytest.mark.feast, pytest.mark.filterwarnings("ignore")]


@component
def go_on(answer: str) -> str:
    """What stands behind the gate."""
    return answer


@pytest.fixture(scope="module")
def manifest(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Photos to train on, and two small ones to evaluate on."""
    folder = tmp_path_factory.mktemp("sets") / "held"
    folder.mkdir()
    for name in ("coffee", "rocket"):
        Image.open(photos / f"{name}.png").resize((144, 96)).save(folder / f"{name}.png")
    return make_manifest(str(photos), evaluation=[str(folder)], store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def repository(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Feast repository that knows the photos, and takes all of them for bright ones."""
    folder = tmp_path_factory.mktemp("repository")
    features = {key: each.model_copy(update={"light_mean": 200.0}) for key, each in measure_manifest(manifest).items()}
    write_features(features, f"file://{folder}")
    apply(write_repository(folder, FeatureSettings()))
    return folder


def run(
    runs: Path, checkpoint: Path, manifest: Manifest, repository: Path, storage: str, **rules: float
) -> dict[str, Any]:
    """The steps that ran, by name, with what they wrote."""
    listed = runs.parent / "manifest.jsonl"
    write_manifest(manifest, listed)

    @dsl.pipeline(name="evaluate-and-gate")  # type: ignore[untyped-decorator]
    def pipeline() -> None:
        kinds = {checkpoint: dsl.Model, listed: dsl.Dataset, repository: dsl.Dataset}
        model, data, features = (
            dsl.importer(artifact_uri=str(path), artifact_class=kind, reimport=True).output
            for path, kind in kinds.items()
        )
        seen = evaluate(checkpoint=model, manifest=data, repository=features, robust_pictures=1)
        judged = gate(
            checkpoint=model,
            manifest=data,
            assessment=seen.outputs["assessment"],
            model="custom_x4",
            storage=storage,
            **rules,
        )
        with dsl.If(judged.outputs["Output"] == "promote"):
            go_on(answer="published")

    pipeline()
    return {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/*/executor_output.json")}


def artifact(step: dict[str, Any], name: str) -> Path:
    return Path(step["artifacts"][name]["artifacts"][0]["uri"])


def metrics(step: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = step["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    return found


def custom(tmp_path: Path, source: Path, version: str = "1") -> Path:
    model, info = load_model(source)
    path = tmp_path / f"v{version}" / "custom_x4.safetensors"
    save_checkpoint(path, model, info.model_copy(update={"name": "custom_x4", "version": version}))
    return path


def test_a_first_good_model_is_evaluated_and_promoted(
    runs: Path, manifest: Manifest, repository: Path, tmp_path: Path
) -> None:
    checkpoint = custom(tmp_path, WEIGHTS / "edsr_fast_x4.safetensors")
    steps = run(runs, checkpoint, manifest, repository, f"file://{tmp_path}/store")
    assert set(steps) == {"evaluate", "gate", "go-on"}
    assessment = read_assessment(artifact(steps["evaluate"], "assessment"))
    assert list(assessment.benchmarks) == ["held"]
    assert assessment.slices["bright"].count == 2  # as Feast says
    told = metrics(steps["evaluate"])
    assert told == pytest.approx(assessment.headline())
    assert told["gain_over_bicubic"] > 0.5
    report, page = (artifact(steps["evaluate"], name).read_text() for name in ("report", "page"))
    assert report.startswith("# Evaluation of custom_x4 version 1\n")
    assert "| `bright` | 2 |" in report
    assert page.startswith("<!doctype html>")
    assert page.count("<figure>") == 2 * 4
    decision = artifact(steps["gate"], "decision").read_text()
    assert decision.startswith("# custom_x4: promoted\n\nPromoted: psnr_y is ")
    assert metrics(steps["gate"])["promoted"] == 1
    assert steps["gate"]["parameterValues"]["Output"] == "promote"


def test_a_poorer_model_ends_green_and_unpublished(
    runs: Path, manifest: Manifest, repository: Path, tiny_models: Path, tmp_path: Path
) -> None:
    storage = f"file://{tmp_path}/store"
    serving = custom(tmp_path, WEIGHTS / "edsr_fast_x4.safetensors", "4")
    register(open_storage(storage), serving, card="", metrics={}, features={}, lineage=Lineage())
    promote(open_storage(storage), "custom_x4", "4")
    poor = custom(tmp_path, tiny_models / "tiny_x4.safetensors")
    steps = run(runs, poor, manifest, repository, storage, max_bytes=1000)
    assert set(steps) == {"evaluate", "gate"}
    assert steps["gate"]["parameterValues"]["Output"] == "keep"
    decision = artifact(steps["gate"], "decision").read_text()
    assert "Not promoted, because psnr_y is " in decision
    assert "below version 4, which serves" in decision
    assert "bytes; allowed is 1,000." in decision
    assert artifact(steps["gate"], "page").read_text().count("<figure>") == 2 * 5
    assert metrics(steps["gate"])["promoted"] == 0
    assert metrics(steps["gate"])["gain"] < 0


@pytest.mark.parametrize("step", [evaluate, gate], ids=lambda step: step.name)
def test_a_component_is_short(step: Any) -> None:
    source = Path(__file__).parents[2] / "components" / f"{step.name}.py"
    assert len(source.read_text().splitlines()) <= 40
