"""The paper's table and sheet by one command."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.checkpoint import build_model, describe, save_checkpoint
from training.drawing_table import main

SIZES = {"scale": 4, "features": 4, "blocks": 1}
PRIOR = {"prior_features": 6, "layers": 1, "kernel": 3, "hidden": 6}


def checkpoint(folder: Path, architecture: str, config: dict[str, int]) -> str:
    path = folder / f"{architecture}.safetensors"
    model = build_model(architecture, config)
    save_checkpoint(path, model, describe(model, name=architecture, architecture=architecture, scale=4))
    return str(path)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    np.save(tmp_path / "eval.npy", np.random.default_rng(0).integers(256, size=(5, 16, 16, 3), dtype=np.uint8))
    model = checkpoint(tmp_path, "pixel_recursive", SIZES | PRIOR)
    return [model, "--pictures", str(tmp_path / "eval.npy"), "--samples", "2"]


def test_a_row_for_each_answer(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option, architecture in (("--regression", "pixel_regression"), ("--independent", "independent_pixels")):
        command += [option, checkpoint(tmp_path, architecture, SIZES)]
    assert main([*command, "--json", "--factors", "1.0", "2.0", "--sheet", str(tmp_path / "sheet.png")]) == 0
    rows = {(row["model"], row["factor"]): row for row in json.loads(capsys.readouterr().out)}
    names = ["nearest", "bicubic", "regression", "independent, likeliest"]
    assert list(rows) == [*((name, None) for name in names), ("pixel_recursive", 1.0), ("pixel_recursive", 2.0)]
    for name in ("independent, likeliest", "pixel_recursive"):
        bits = next(row["bits"] for (model, _), row in rows.items() if model == name)
        assert bits == pytest.approx(8, abs=0.5), "untrained"
    assert rows["bicubic", None]["consistency"] < rows["pixel_recursive", 1.0]["consistency"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (9 * 16 * 3, 5 * 16 * 3)


def test_for_a_person(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--first", "2", "--factors", "1.1"]) == 0
    said = capsys.readouterr().out
    assert "PSNR-Y" in said
    assert "bicubic" in said


def test_another_model_is_refused(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([checkpoint(tmp_path, "pixel_regression", SIZES), *command[1:]]) == 2
    assert "got a checkpoint of pixel_regression, expected a PixelRecursive" in capsys.readouterr().err
