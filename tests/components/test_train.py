"""The training step, really run by kfp: two processes of torchrun on shards that ``prepare`` packed."""

import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.prepare import prepare
from components.train import train
from loupe.checkpoint import load_model
from training.log import read_log
from training.manifest import make_manifest, write_manifest
from training.shards import plan_parts


@pytest.fixture
def manifest(photos: Path, tmp_path: Path) -> Path:
    made = make_manifest(str(photos), store=tmp_path / "store")
    write_manifest(made, tmp_path / "manifest.jsonl")
    assert plan_parts(made, 2) == PARTS
    return tmp_path / "manifest.jsonl"


PARTS = ["train-1-of-2", "train-2-of-2", "valid-1-of-1"]


def run(manifest: Path, runs: Path, parts: list[str], **arguments: Any) -> dict[str, Any]:
    """Pack ``parts``, each in a step of its own, and train on them; the outputs by name."""

    @dsl.pipeline(name="pack-and-train")  # type: ignore[untyped-decorator]
    def pack_and_train() -> None:
        given = dsl.importer(artifact_uri=str(manifest), artifact_class=dsl.Dataset, reimport=True)
        with dsl.ParallelFor(parts) as part:
            shard = prepare(manifest=given.output, part=part, scale=4)
        train(shards=dsl.Collected(shard.outputs["shard"]), repository=given.output, weighted=False, **arguments)

    pack_and_train()
    (written,) = runs.glob("*/train/executor_output.json")
    return {name: made["artifacts"][0] for name, made in json.loads(written.read_text())["artifacts"].items()}


def test_it_trains_over_two_processes_and_leaves_what_later_steps_read(
    manifest: Path, runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = run(manifest, runs, PARTS, recipe="edsr_fast_x4", model="mine_x4", steps=20, processes=2)
    checkpoint = Path(made["checkpoint"]["uri"])
    assert checkpoint.is_file()
    model, info = load_model(checkpoint)
    assert (info.name, info.scale) == ("mine_x4", 4)
    version = json.loads(manifest.read_text().splitlines()[0]).get("version", "")
    assert info.data.startswith("manifest ")
    assert version[:12] in info.data
    records = read_log(Path(made["log"]["uri"]))
    assert [record["step"] for record in records if "valid_psnr_y" in record] == list(range(2, 21, 2))
    assert Path(made["curves"]["uri"]).read_text().count("<polyline") == 4
    figures = made["metrics"]["metadata"]
    assert figures["steps"] == 20
    assert figures["valid_psnr_y"] == pytest.approx(info.metrics["valid_psnr_y"], abs=1e-3)
    assert figures["images_per_second"] > 0
    assert 0 <= figures["data_wait"] < 1
    assert figures["seconds"] > 0
    assert sum(1 for _ in model.parameters()) > 0
    assert (checkpoint.with_name("run") / ".rank1" / "log.jsonl").is_file(), "there was a second process"
    assert "step 20 " in capfd.readouterr().out, "its output is in the step's log"


def test_shards_without_one_to_validate_on_are_refused(
    manifest: Path, runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="train"):
        run(manifest, runs, PARTS[:2], recipe="edsr_fast_x4", steps=1)
    assert "got parts ['train-1-of-2', 'train-2-of-2'], expected train-... and valid-..." in capfd.readouterr().out


def test_it_is_short() -> None:
    source = Path(__file__).parents[2] / "components" / "train.py"
    assert len(source.read_text().splitlines()) <= 40
    assert "pip" not in " ".join(train.component_spec.implementation.container.command)
