"""The command line as a newcomer meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LOUPE = [sys.executable, "-m", "loupe"]


@pytest.fixture
def environment(tiny_models: Path) -> dict[str, str]:
    return os.environ | {"LOUPE_MODELS_DIR": str(tiny_models), "OMP_NUM_THREADS": "1", "COLUMNS": "140"}


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LOUPE, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=100, check=False
    )


def test_one_picture(environment: dict[str, str], photos: Path, tmp_path: Path) -> None:
    done = run(environment, "upscale", photos / "chelsea.png", "-o", tmp_path / "out.png", "--model", "tiny_x4")
    assert done.returncode == 0, done.stderr
    assert "451x300 -> 1804x1200  tiny_x4" in done.stdout
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (1804, 1200)
        assert "tiny_x4 version 1 x4" in picture.getexif()[0x0131]


def test_torch_and_openvino_and_any_tile_give_the_same(
    environment: dict[str, str], photos: Path, tmp_path: Path
) -> None:
    results = []
    for name, options in (("a", ["--backend", "torch"]), ("b", ["--backend", "openvino", "--tile", "64"])):
        done = run(
            environment,
            "upscale",
            photos / "chelsea.png",
            "-o",
            tmp_path / f"{name}.png",
            "--model",
            "tiny_x2",
            *options,
        )
        assert done.returncode == 0, done.stderr
        results.append(np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


def test_a_folder_with_a_broken_picture_in_it(environment: dict[str, str], photos: Path, tmp_path: Path) -> None:
    tree = tmp_path / "in"
    (tree / "deep").mkdir(parents=True)
    Image.open(photos / "chelsea.png").resize((60, 40)).save(tree / "deep" / "cat.jpg")
    Image.open(photos / "coffee.png").resize((60, 40)).save(tree / "cup.png")
    (tree / "broken.png").write_text("no picture")
    out = tmp_path / "out"
    done = run(environment, "upscale", tree, "-o", out, "--recursive", "--format", "webp", "--model", "tiny_x2")
    assert done.returncode == 1
    assert "1 of 3 pictures failed" in done.stderr
    assert "broken.png" in done.stderr + done.stdout
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == ["cup.webp", "deep/cat.webp"]
    with Image.open(out / "cup.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (120, 80))
    again = run(
        environment, "upscale", tree, "-o", out, "-r", "--format", "webp", "--model", "tiny_x2", "--skip-existing"
    )
    assert "cup" not in again.stdout


def test_models(environment: dict[str, str]) -> None:
    done = run(environment, "models")
    assert done.returncode == 0
    assert "tiny_x4" in done.stdout
    listed = json.loads(run(environment, "models", "--json").stdout)
    assert {"tiny_x2", "tiny_x4"} <= {model["name"] for model in listed}


def test_eval(environment: dict[str, str], photos: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.open(photos / "coffee.png").resize((96, 64)).save(tmp_path / "set" / "cup.png")
    done = run(environment, "eval", tmp_path / "set", "--model", "tiny_x4", "--json")
    assert done.returncode == 0, done.stderr
    bicubic, tiny = json.loads(done.stdout)
    assert bicubic["model"] == "bicubic"
    assert tiny["rows"][0]["psnr_y"] == pytest.approx(tiny["psnr_y"])
    assert "PSNR-Y" in run(environment, "eval", tmp_path / "set", "--model", "tiny_x4").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["upscale", "none.png"], 2, "none.png: no such file"),
        (["upscale", "{photo}", "--model", "edsr_x16"], 5, "got 'edsr_x16', expected one of"),
        (["upscale", "{photo}", "--factor", "7"], 2, "factor: got 7, expected one of 2, 4"),
        (["upscale", "{text}"], 3, "text.png"),
        (["upscale", "{photo}", "-o", "{out}/x.png", "--width", "99999"], 2, "width: got 99999"),
        (["upscale", "{photo}", "-o", "{out}/x.png", "--quality", "500", "--format", "jpeg"], 2, "quality"),
        (["upscale", "{photo}", "-o", "{out}/x.png", "--tile", "0"], 2, "tile: got 0"),
        (["upscale", "{photo}", "--backend", "http://127.0.0.1:9", "--model", "tiny_x4"], 8, "make run"),
        (["eval", "{text}"], 2, "no such folder"),
    ],
)
def test_errors_are_one_line_and_a_code(
    environment: dict[str, str], photos: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "text.png").write_text("hello")
    filled = [a.format(photo=photos / "coffee.png", text=tmp_path / "text.png", out=tmp_path) for a in arguments]
    done = run(environment, *filled)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("x.*"))


def test_help_is_worth_reading(environment: dict[str, str]) -> None:
    for command in ([], ["upscale"], ["models"], ["eval"]):
        done = run(environment, *command, "--help")
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) > 8


def test_ctrl_c_stops_and_leaves_nothing_half_written(
    environment: dict[str, str], photos: Path, tmp_path: Path
) -> None:
    Image.open(photos / "astronaut.png").resize((3000, 3000)).save(tmp_path / "big.png", compress_level=0)
    command = [*LOUPE, "upscale", str(tmp_path / "big.png"), "-o", str(tmp_path / "out.png"), "--model", "tiny_x4"]
    process = subprocess.Popen([*command, "--tile", "32"], env=environment, stderr=subprocess.PIPE, text=True)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "stopped after" in said
    assert [path.name for path in tmp_path.iterdir()] == ["big.png"]
