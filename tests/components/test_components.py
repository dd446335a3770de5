"""Every component, really run in a process of its own by kfp's SubprocessRunner."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import dsl

from components import IMAGE
from components.collect_failures import collect_failures
from components.drift import drift
from components.features import features
from components.ingest import ingest
from components.plan_batch import plan_batch
from components.prepare import prepare
from components.upscale_part import upscale_part
from components.validate import validate
from training.features.measuring import PARQUET
from training.manifest import make_manifest, read_manifest, write_manifest
from training.pack import open_pack
from training.shards import plan_parts

pytestmark = pytest.mark.usefixtures("runs")


@pytest.fixture
def manifest(photos: Path, tmp_path: Path) -> Path:
    """Of the photos, as a file."""
    return manifest_of(photos, tmp_path)


def manifest_of(folder: Path, where: Path) -> Path:
    path = where / "manifest.jsonl"
    write_manifest(make_manifest(str(folder), store=where / "store"), path)
    return path


class Outputs(NamedTuple):
    returned: Any
    paths: dict[str, Path]
    metadata: dict[str, dict[str, Any]]


def run(component: Any, manifest: Path, runs: Path, **arguments: object) -> Outputs:
    """Run it on a manifest; kfp gives artifacts to components in pipelines only."""

    @dsl.pipeline(name="one-step")  # type: ignore[untyped-decorator]
    def one_step() -> None:
        given = dsl.importer(artifact_uri=str(manifest), artifact_class=dsl.Dataset, reimport=True)
        component(manifest=given.output, **arguments)

    one_step()
    (written,) = runs.glob(f"*/{component.name}/executor_output.json")
    told = json.loads(written.read_text())
    artifacts = {name: made["artifacts"][0] for name, made in told["artifacts"].items()}
    return Outputs(
        told["parameterValues"].get("Output") if "parameterValues" in told else None,
        {name: Path(artifact["uri"]) for name, artifact in artifacts.items()},
        {name: artifact["metadata"] for name, artifact in artifacts.items()},
    )


def test_ingest_makes_a_manifest_with_its_version(photos: Path, unfit: Path, tmp_path: Path) -> None:
    task = ingest(data=str(photos), evaluation=[str(unfit)], store=str(tmp_path / "store"))
    artifact = task.outputs["manifest"]
    made = read_manifest(Path(artifact.path))
    assert made == make_manifest(str(photos), evaluation=[str(unfit)], store=tmp_path / "store")
    assert artifact.metadata == {"version": made.version, "pictures": 10, "fingerprint": ""}
    assert task.outputs["Output"] == made.version


def test_ingest_fails_and_says_where_it_looked(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ingest"):
        ingest(data="nowhere")
    assert "No folder nowhere" in capfd.readouterr().out


def test_validate_keeps_what_is_fit_and_reports_the_rest(unfit: Path, tmp_path: Path, runs: Path) -> None:
    outputs = run(validate, manifest_of(unfit, tmp_path), runs, max_dropped=0.4, pictures_a_part=2)
    kept = read_manifest(outputs.paths["kept"])
    assert len(kept.entries) == 4
    assert outputs.metadata["kept"] == {"version": kept.version}
    assert outputs.metadata["metrics"] == {"kept": 4, "dropped": 2, "duplicate": 1, "flat": 1}
    assert "`set/flat.png`" in outputs.paths["report"].read_text()
    assert outputs.paths["page"].read_text().startswith("<!doctype html>")
    assert outputs.returned == plan_parts(kept, 2)


def test_validate_fails_above_the_threshold_and_names_files(
    unfit: Path, tmp_path: Path, runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="validate"):
        run(validate, manifest_of(unfit, tmp_path), runs, max_dropped=0.3)
    told = capfd.readouterr().out
    assert "2 of 6 pictures are unfit (33%), expected at most 30%" in told
    assert "set/flat.png: flat" in told


def test_features_writes_a_row_a_picture_here_and_offline(manifest: Path, tmp_path: Path, runs: Path) -> None:
    from pyarrow import parquet

    offline = tmp_path / "offline"
    outputs = run(features, manifest, runs, offline=f"file://{offline}")
    given = read_manifest(manifest)
    assert outputs.metadata["table"] == {"version": given.version, "pictures": 4}
    assert outputs.returned == 4
    for folder in (outputs.paths["table"], offline):
        hashes = parquet.read_table(folder / PARQUET)["sha256"].to_pylist()
        assert hashes == sorted(entry.sha256 for entry in given.entries)


def test_prepare_packs_one_part(manifest: Path, runs: Path) -> None:
    outputs = run(prepare, manifest, runs, part="train-2-of-2", scale=2)
    pack = open_pack(outputs.paths["shard"])
    given = read_manifest(manifest)
    assert [entry.sha256 for entry in pack.entries] == [entry.sha256 for entry in given.of("train")[1::2]]
    assert outputs.returned == 1
    assert outputs.metadata["shard"] == {
        "version": given.version,
        "part": "train-2-of-2",
        "scale": 2,
        "pictures": 1,
        "pixels": pack.pixels,
    }


def test_drift_fails_and_says_what_is_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="drift"):
        drift(model="edsr_x4", servers=["http://127.0.0.1:9"], storage=f"file://{tmp_path}")
    assert "no version of edsr_x4 serves; promote one" in capfd.readouterr().out


def test_a_part_fails_when_the_server_stays_away(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    @dsl.pipeline(name="two-steps")  # type: ignore[untyped-decorator]
    def two_steps() -> None:
        planned = plan_batch(source=str(photos), target=str(tmp_path / "out"), model="edsr_x4")
        upscale_part(plan=planned.outputs["plan"], part="1-of-1", endpoint="http://127.0.0.1:9", retries=0)

    with pytest.raises(RuntimeError):
        two_steps()
    assert "No answer from the inference server at http://127.0.0.1:9" in capfd.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "component",
    [ingest, validate, features, prepare, drift, plan_batch, upscale_part, collect_failures],
    ids=lambda component: component.name,
)
def test_a_component_installs_nothing_and_is_short(component: Any) -> None:
    container = component.component_spec.implementation.container
    assert container.image == IMAGE
    assert "pip" not in " ".join(container.command)
    source = Path(__file__).parents[2] / "components" / f"{component.name.replace('-', '_')}.py"
    assert len(source.read_text().splitlines()) <= 40
