"""``loupe draw`` as a newcomer meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.artists import load_artist
from loupe.drawing import DrawOptions
from loupe.settings import Settings
from tests.samplers import make_sampler


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_sampler(folder, "tiny_faces")
    return folder


@pytest.fixture
def environment(models: Path) -> dict[str, str]:
    return os.environ | {"LOUPE_MODELS_DIR": str(models), "OMP_NUM_THREADS": "1", "COLUMNS": "160"}


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    path = tmp_path / "sketch.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (3, 2, 3), np.uint8)).save(path)
    return path


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loupe", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)


def test_a_sheet_and_files(environment: dict[str, str], sketch: Path, models: Path, tmp_path: Path) -> None:
    sheet, folder = tmp_path / "sheet.png", tmp_path / "each"
    options = [
        "--model",
        "tiny_faces",
        "--samples",
        2,
        "--temperature",
        1.05,
        "--seed",
        3,
        "--entropy",
        "--files",
        folder,
        "--zoom",
        10,
    ]
    done = run(environment, "draw", sketch, "-o", sheet, *options)
    assert done.returncode == 0, done.stderr
    assert f"{sheet}  2x3 -> 2 of 8x12  tiny_faces  seeds 3 to 4" in done.stdout
    assert "invented, not recovered" in done.stderr

    artist = load_artist(models / "tiny_faces.safetensors", Settings(threads=1))
    cells = np.asarray(Image.open(sketch))
    expected = artist.draw(cells, DrawOptions(samples=2, seed=3, temperature=1.05))
    for index, seed in enumerate((3, 4)):
        with Image.open(folder / f"sketch_seed{seed}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), expected.pictures[index])
            assert picture.getexif()[0x0131].endswith(f"x4 seed {seed} temperature 1.05: invented")
        levels = np.asarray(Image.open(folder / f"sketch_seed{seed}_entropy.png"))
        np.testing.assert_allclose(levels / 10, expected.entropy[index], atol=0.051)
    with Image.open(sheet) as picture:
        assert picture.getexif()[0x0131].endswith("seeds 3 to 4 temperature 1.05: invented")
        shown = np.asarray(picture)
    first = expected.pictures[0].repeat(10, 0).repeat(10, 1)
    np.testing.assert_array_equal(shown[16 : 16 + 120, 16 + 96 : 16 + 96 + 80], first)  # beside the sketch


def test_without_a_seed_each_time_another_picture(environment: dict[str, str], sketch: Path, tmp_path: Path) -> None:
    sheets = []
    for _ in range(2):
        assert run(environment, "draw", sketch, "-n", 1).returncode == 0
        sheets.append((tmp_path / "sketch_drawn.png").read_bytes())
    assert sheets[0] != sheets[1]


def test_any_picture_becomes_a_sketch(environment: dict[str, str], photos: Path, tmp_path: Path) -> None:
    photo, sheet = photos / "chelsea.png", tmp_path / "sheet.png"
    refused = run(environment, "draw", photo, "-o", sheet)
    assert refused.returncode == 2
    assert "got 451x300 cells, expected at most 16x16" in refused.stderr
    assert "loupe draw --cells 8" in refused.stderr
    done = run(environment, "draw", photo, "-o", sheet, "--cells", "3x2", "-n", 1)
    assert done.returncode == 0, done.stderr
    assert "3x2 -> 1 of 12x8" in done.stdout


def test_what_is_given_is_kept(environment: dict[str, str], sketch: Path, tmp_path: Path) -> None:
    half = np.random.default_rng(1).integers(0, 256, (5, 8, 3), np.uint8)
    Image.fromarray(half).save(tmp_path / "half.png")
    options = ["--given", tmp_path / "half.png", "--files", tmp_path / "each", "--seed", 1, "-n", 1]
    done = run(environment, "draw", sketch, *options)
    assert done.returncode == 0, done.stderr
    drawn = np.asarray(Image.open(tmp_path / "each" / "sketch_seed1.png"))
    np.testing.assert_array_equal(drawn[:5], half)
    assert drawn.shape == (12, 8, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--samples", 9], "samples: got 9, expected 1 to 8"),
        (["--temperature", 5], "temperature: got 5.0, expected 0.1 to 2.0"),
        (["--cells", "many"], "cells: got 'many', expected a number such as 8"),
        (["--cells", 9], "cells: got 9x9, expected at most 2x3"),
        (["--model", "edsr_fast_x4"], "got edsr_fast_x4, which enlarges pictures"),
        (["--backend", "openvino"], "backend: got 'openvino', expected auto, torch"),
        (["--mask", "sketch.png"], "mask: got one without a picture, expected --given"),
    ],
)
def test_a_bad_option_is_said(environment: dict[str, str], sketch: Path, options: list[object], said: str) -> None:
    done = run(environment, "draw", sketch, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sheet_does_not_replace_the_sketch(environment: dict[str, str], sketch: Path) -> None:
    before = sketch.read_bytes()
    assert run(environment, "draw", sketch, "-o", sketch).returncode == 2
    assert sketch.read_bytes() == before


def test_what_draws_is_not_offered_for_enlarging(environment: dict[str, str], photos: Path, tmp_path: Path) -> None:
    done = run(environment, "upscale", photos / "chelsea.png", "-o", tmp_path / "a.png", "--model", "tiny_faces")
    assert done.returncode == 2
    assert "got tiny_faces, which draws from a sketch (`loupe draw`" in done.stderr
    kinds = {info["name"]: info["kind"] for info in json.loads(run(environment, "models", "--json").stdout)}
    assert (kinds["tiny_faces"], kinds["edsr_fast_x4"]) == ("sampler", "enlarger")
    table = run(environment, "models").stdout
    assert "draws" in table
    assert "tiny_faces" in table


def test_help_says_what_it_does(environment: dict[str, str]) -> None:
    said = run(environment, "draw", "--help").stdout
    for word in ("--samples", "--temperature", "--seed", "--given", "--entropy", "invented"):
        assert word in said
