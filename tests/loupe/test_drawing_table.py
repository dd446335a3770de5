"""The paper's table and sheet by `loupe eval`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from loupe.checkpoint import build_model, describe, load_model, read_info, save_checkpoint
from loupe.cli import app
from loupe.drawing_table import find_baselines, measure_table, read_compared
from loupe.errors import InvalidOption
from loupe.registry import find_model
from loupe.settings import Settings

SIZES = {"scale": 4, "features": 4, "blocks": 1}
PRIOR = {"prior_features": 6, "layers": 1, "kernel": 3, "hidden": 6}


def checkpoint(folder: Path, architecture: str, config: dict[str, int], *, name: str = "", data: str = "faces") -> Path:
    path = folder / f"{name or architecture}.safetensors"
    model = build_model(architecture, config)
    info = describe(model, name=name or architecture, architecture=architecture, scale=config["scale"], data=data)
    save_checkpoint(path, model, info)
    return path


@pytest.fixture
def array(tmp_path: Path) -> Path:
    np.save(tmp_path / "faces.npy", np.random.default_rng(0).integers(256, size=(5, 16, 16, 3), dtype=np.uint8))
    return tmp_path / "faces.npy"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    checkpoint(tmp_path / "models", "pixel_recursive", SIZES | PRIOR, name="tiny_faces")
    return tmp_path / "models"


def loupe_eval(models: Path, *arguments: object) -> Result:
    command = ["eval", *map(str, arguments), "--models-dir", str(models), "--samples", "2"]
    return CliRunner().invoke(app, command, env={"COLUMNS": "140"})


def test_a_row_for_each_answer(models: Path, array: Path, tmp_path: Path) -> None:
    for architecture in ("pixel_regression", "independent_pixels"):
        checkpoint(models / "baselines", architecture, SIZES)
    factors, sheet = ("--factor", "1.0", "--factor", "2.0"), tmp_path / "sheet.png"
    done = loupe_eval(models, array, "--model", "tiny_faces", *factors, "--json", "--sheet", sheet)
    assert done.exit_code == 0, done.output
    (table,) = json.loads(done.stdout)
    assert [table[key] for key in ("benchmark", "scale", "pictures", "samples")] == ["faces", 4, 5, 2]
    rows = {(row["model"], row["factor"]): row for row in table["rows"]}
    names = ["nearest", "bicubic", "regression", "independent"]
    assert list(rows) == [*((name, None) for name in names), ("tiny_faces", 1.0), ("tiny_faces", 2.0)]
    for key in (("independent", None), ("tiny_faces", 1.0)):
        assert rows[key]["bits"] == pytest.approx(8, abs=0.5), "untrained"
    assert rows["bicubic", None]["consistency"] < rows["tiny_faces", 1.0]["consistency"]
    with Image.open(sheet) as picture:
        assert picture.size == (9 * 16 * 3, 5 * 16 * 3)


def test_for_a_person_with_few_pictures(models: Path, array: Path) -> None:
    done = loupe_eval(models, array, "--model", "tiny_faces", "--first", "2", "--factor", "1.1")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows[1:4]] == ["nearest", "bicubic", "tiny_faces"], "no baselines are there"
    assert "2 pictures of faces. Consistency: mean squared error" in done.stdout
    assert "4 times smaller" in done.stdout


def test_baselines_are_of_the_same_data_and_size(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "pixel_recursive", SIZES | PRIOR)
    right = checkpoint(tmp_path / "baselines", "pixel_regression", SIZES, name="right")
    checkpoint(tmp_path / "baselines", "pixel_regression", SIZES, name="of_photos", data="photos")
    checkpoint(tmp_path / "baselines", "independent_pixels", SIZES | {"blocks": 2}, name="larger")
    assert find_baselines(path, load_model(path)[1]) == [right]
    given = checkpoint(tmp_path, "independent_pixels", SIZES | {"blocks": 2}, data="photos")
    compared = read_compared(path, [given])
    assert compared.independent is not None
    assert compared.regression is None, "what is given is what is used"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{array}", "--model", "an_enlarger"], "got an_enlarger, which enlarges pictures"),
        (["{array}", "--model", "independent_pixels"], "a baseline, expected pixel_recursive"),
        (["{array}", "--model", "tiny_faces", "--baseline", "{models}/tiny_faces.safetensors"], "expected a baseline"),
        (["{array}", "--model", "tiny_faces", "--baseline", "{models}/double.safetensors"], "factor 2, expected 4"),
        (["{array}", "--model", "tiny_faces", "--factor", "0"], "factors: got"),
        (["{array}", "--backend", "openvino"], "backend: got openvino, expected torch"),
        (["{array}", "{models}"], "one kind at a time"),
        (["{array}", "--model", "tiny_faces", "--sheet", "sheet.txt"], "format: got 'sheet.txt'"),
        (["{odd}", "--model", "tiny_faces"], "got 18x16, expected multiples of 4"),
        (["{models}", "--model", "tiny_faces"], "draws from a sketch"),
        (["{models}", "--sheet", "sheet.png"], "expected a .npy file"),
    ],
)
def test_what_does_not_fit_is_refused(
    models: Path, array: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    checkpoint(models, "edsr", {"scale": 4, "features": 4, "blocks": 1}, name="an_enlarger")
    checkpoint(models, "independent_pixels", SIZES)
    checkpoint(models, "pixel_regression", SIZES | {"scale": 2}, name="double")
    np.save(tmp_path / "odd.npy", np.zeros((1, 16, 18, 3), np.uint8))
    given = [text.format(array=array, models=models, odd=tmp_path / "odd.npy") for text in arguments]
    done = loupe_eval(models, *given)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_too_few_samples_to_differ(models: Path, array: Path) -> None:
    with pytest.raises(InvalidOption, match="samples: got 1, expected 2 or more"):
        measure_table(read_compared(models / "tiny_faces.safetensors"), np.load(array), samples=1)


def test_progress_ends_with_all_pictures_drawn(models: Path, array: Path) -> None:
    told: list[tuple[int, int]] = []
    compared = read_compared(models / "tiny_faces.safetensors")
    table = measure_table(
        compared, np.load(array), factors=(1.2, 1.0), samples=2, progress=lambda d, t: told.append((d, t))
    )
    assert told[-1] == (2 * (5 + 5 * 2), 2 * (5 + 5 * 2))
    assert table.drawn.factor == 1
    assert table.row("regression") is None


def test_the_default_is_a_model_that_draws(models: Path, array: Path) -> None:
    done = loupe_eval(models, array, "--json", "--factor", "1.0", "--first", "1")
    assert done.exit_code == 0, done.output
    (table,) = json.loads(done.stdout)
    assert read_info(find_model(table["model"], Settings(models_dir=models))).kind == "sampler"
