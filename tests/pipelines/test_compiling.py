"""``python -m pipelines compile``, on which image, and what importing pipelines costs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import IMAGE
from loupe.errors import InvalidOption
from pipelines.__main__ import main
from pipelines.catalogue import PIPELINES
from pipelines.compiling import require_pinned, write_yaml
from pipelines.prepare_data import prepare_data

DIGEST = "sha256:" + "ab" * 32


def images_of(path: Path) -> set[str]:
    executors = yaml.safe_load(path.read_text())["deploymentSpec"]["executors"]
    return {executor["container"]["image"] for executor in executors.values()}


def test_every_pipeline_compiles_to_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOUPE_WORKER_IMAGE", raising=False)
    assert main(["compile", "-o", str(tmp_path / "new")]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{name}.yaml" for name in PIPELINES}
    assert images_of(tmp_path / "new" / "prepare_data.yaml") == {IMAGE}
    assert (tmp_path / "new" / "prepare_data.yaml").read_text().startswith("# PIPELINE DEFINITION")


def test_the_image_is_given_by_argument_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_WORKER_IMAGE", "registry:5000/loupe-worker:2.0")
    assert main(["compile", "prepare_data", "-o", str(tmp_path)]) == 0
    assert images_of(tmp_path / "prepare_data.yaml") == {"registry:5000/loupe-worker:2.0"}
    assert main(["compile", "-o", str(tmp_path), "--image", f"loupe@{DIGEST}"]) == 0
    assert images_of(tmp_path / "prepare_data.yaml") == {f"loupe@{DIGEST}"}


def test_steps_are_told_of_the_image_for_the_training_that_they_submit(tmp_path: Path) -> None:
    assert main(["compile", "-o", str(tmp_path), "--image", f"loupe@{DIGEST}"]) == 0
    for path in tmp_path.iterdir():
        executors = next(yaml.safe_load_all(path.read_text()))["deploymentSpec"]["executors"]
        for executor in executors.values():
            assert executor["container"]["env"] == [{"name": "LOUPE_WORKER_IMAGE", "value": f"loupe@{DIGEST}"}]


@pytest.mark.parametrize("image", ["a:1", "registry:5000/a/b:v1.2-rc.3", f"a@{DIGEST}", f"a:1@{DIGEST}", "a:latest-1"])
def test_a_pinned_image_is_taken(image: str) -> None:
    assert require_pinned(image) == image


@pytest.mark.parametrize("image", ["", "a", "a:", "a:latest", "registry:5000/a", "a@sha256:12", "a b:1", "a:latest\n"])
def test_another_image_is_refused(image: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="expected a tag other than latest, or a digest"):
        write_yaml(prepare_data(), tmp_path / "a.yaml", image=image)
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "-o", str(tmp_path), "--image", "loupe:latest"]) == 2
    assert "got 'loupe:latest'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["compile", "nonsense"])
    assert f"got nonsense, expected some of {', '.join(PIPELINES)}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["run", "prepare_data", "--scale", "large"])
    assert "--scale" in capsys.readouterr().err


def test_help_describes_each_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["run", "prepare_data", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "a folder, s3://bucket/prefix, div2k, or samples" in told
    assert "share of unfit pictures above which the run fails (default: 0.2)" in told


def test_importing_pipelines_loads_neither_torch_nor_feast() -> None:
    code = "import sys, pipelines.catalogue; print([m for m in ('torch', 'feast', 'openvino') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
