"""The README's examples, run as written: only the ports are those of the servers that the test has started."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from loupe.settings import Settings
from tests.frontend.house import run_inference, run_page

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)
NEEDED = ("edsr_fast_x2", "edsr_fast_x4")


def examples(kind: str) -> list[str]:
    """Whole Python blocks; shell blocks line by line, a backslash joining two."""
    blocks = [body for found, body in BLOCK.findall((ROOT / "README.md").read_text()) if found == kind]
    if kind == "python":
        return blocks
    return ["".join(blocks).replace("\\\n", " ")]


@pytest.fixture(scope="module", params=["embedded", pytest.param("torchserve", marks=pytest.mark.torchserve)])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    if request.param == "torchserve" and shutil.which("java") is None:
        pytest.skip("TorchServe needs Java")
    folder = tmp_path_factory.mktemp("readme")
    weights = ROOT / "loupe" / "weights"
    with (
        run_inference(weights, folder / "inference.log", runtime=request.param) as inference,
        run_page(inference.url, folder / "results", weights, folder / "page.log") as page,
    ):
        yield page.url, inference.url


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    photo = Image.open(photos / "chelsea.png").resize((112, 75))
    photo.save(tmp_path / "photo.jpg")
    photo.save(tmp_path / "photos" / "cat.jpg")
    photo.save(tmp_path / "photos" / "deep" / "cat.png")
    return tmp_path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


def test_shell_examples(folder: Path, servers: tuple[str, str]) -> None:
    (script,) = examples("shell")
    script = script.replace("http://127.0.0.1:8000", servers[0]).replace("http://127.0.0.1:8080", servers[1])
    done = run(["bash", "-euo", "pipefail", "-c", script], folder)
    assert done.returncode == 0, done.stderr
    for name, size in (
        ("larger.webp", (224, 150)),
        ("wide.jpg", (300, 201)),
        ("larger/deep/cat.png", (448, 300)),
        ("same.png", (448, 300)),
        ("larger.png", (448, 300)),
        ("raw.png", (448, 300)),
    ):
        with Image.open(folder / name) as picture:
            assert picture.size == size, name
    assert '"type":"result"' in done.stdout.replace(" ", "")
    assert "PSNR-Y" in done.stdout


@pytest.mark.parametrize("number", range(len(examples("python"))))
def test_python_examples(folder: Path, number: int) -> None:
    done = run([sys.executable, "-c", examples("python")[number]], folder)
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "larger.webp") as picture:
        assert picture.size == (448, 300)


def test_the_table_of_models_is_what_ships() -> None:
    from loupe.registry import WEIGHTS, list_models

    text = (ROOT / "README.md").read_text()
    shipped = [info for info in list_models(Settings(), "enlarger") if (WEIGHTS / f"{info.name}.safetensors").exists()]
    assert set(NEEDED) <= {info.name for info in shipped}
    for info in shipped:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{info.name}`"))
        assert f"{info.metrics['set5_psnr_y']:.2f}" in row
        assert f"{info.metrics['b100_psnr_y']:.2f}" in row


def test_every_make_target_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
