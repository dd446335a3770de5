"""What ships is what was measured, and its card says what a person must know."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.checkpoint import build_model, describe, read_info, save_checkpoint
from loupe.registry import find_models
from loupe.settings import Settings
from training.ship import main

SIZES = {"scale": 4, "features": 4, "blocks": 1}
PRIOR = {"prior_features": 6, "layers": 1, "kernel": 3, "hidden": 6}


def make_run(folder: Path, name: str, architecture: str, config: dict[str, int]) -> str:
    """As a training leaves it: a thousand steps of 1800 s in all."""
    model = build_model(architecture, config)
    info = describe(model, name=name, architecture=architecture, scale=4, data="something", license="Apache-2.0")
    save_checkpoint(folder / name / "model.safetensors", model, info)
    batch = 4 if "recursive" in name else 16
    record = {"step": 1000, "images_per_second": 1000 * batch / 1800}
    (folder / name / "log.jsonl").write_text(json.dumps(record) + "\n")
    return str(folder / name)


def test_a_model_that_draws_ships_with_its_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "faces.npy", np.random.default_rng(0).integers(256, size=(3, 16, 16, 3), dtype=np.uint8))
    run = make_run(tmp_path, "pixel_recursive_faces_small", "pixel_recursive", SIZES | PRIOR)
    regression = make_run(tmp_path, "regression_faces_small", "pixel_regression", SIZES)
    independent = make_run(tmp_path, "independent_faces_small", "independent_pixels", SIZES)
    told = [
        "--license",
        "research only",
        "--data",
        "faces of nobody",
        "--data-license",
        "research",
        "--machine",
        "a cup",
    ]
    command = [run, "--benchmark", str(tmp_path / "faces.npy"), "--baseline", regression, "--baseline", independent]
    told += ["--machine", "a cup", "--limit", "Knows no hats."]
    assert main([*command, *told, "--output", str(tmp_path / "weights")]) == 0
    path = tmp_path / "weights" / "pixel_recursive_faces_small.safetensors"
    assert capsys.readouterr().out.strip() == str(path)
    info, card = read_info(path), path.with_suffix(".md").read_text()
    assert info.license == "research only"
    assert info.metrics["faces_bits"] == pytest.approx(8, abs=0.5), "untrained"
    assert info.metrics["faces_independent_bits"] == pytest.approx(8, abs=0.5)
    for said in (
        "invented, not recovered",
        "must not be used to identify",
        "Trained on faces of nobody",
        "1,000 steps,\n0.5 hours in steps on a cup",
        "\n- Knows no hats.\n",
        "Weights: research only. Data: research.",
        "| **pixel_recursive_faces_small** | x1.2 |",
        "| regression |",
        "| independent |",
        "3 pictures of faces. Consistency",
        "--benchmark faces.npy --baseline runs/regression_faces_small --baseline runs/independent_faces_small --output",
        "`loupe eval faces.npy --model pixel_recursive_faces_small`",
    ):
        assert said in card, said
    assert f"| {info.metrics['faces_bits']:.2f} |" in card
    found = find_models(Settings(models_dir=path.parent))
    assert found[info.name] == path
    assert "regression_faces_small" not in found, "baselines are not offered"


def test_an_enlarger_ships_with_what_is_published(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    (tmp_path / "set5").mkdir()
    Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(tmp_path / "set5" / "noise.png")
    run = make_run(tmp_path, "edsr_fast_x4", "edsr", SIZES)
    assert main([run, "--benchmark", str(tmp_path / "set5"), "--output", str(tmp_path / "weights")]) == 0
    info = read_info(tmp_path / "weights" / "edsr_fast_x4.safetensors")
    card = (tmp_path / "weights" / "edsr_fast_x4.md").read_text()
    assert f"| set5 | **edsr_fast_x4** | {info.metrics['set5_psnr_y']:.2f} |" in card
    assert "| set5 | FSRCNN (*published*) | 30.72 | 0.8660 |" in card
    assert "--benchmark set5/ --output" in card
    assert info.license == "Apache-2.0"


def test_an_enlarger_has_no_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path, "edsr_fast_x4", "edsr", SIZES)
    assert main([run, "--benchmark", str(tmp_path), "--baseline", run, "--output", str(tmp_path / "weights")]) == 2
    assert "which enlarges, expected none" in capsys.readouterr().err
