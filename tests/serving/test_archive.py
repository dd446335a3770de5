import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from loupe.checkpoint import load_model
from loupe.errors import CheckpointError, ModelNotFound, StorageError
from serving.archive import write_layout
from serving.settings import ServingSettings
from tests.serving.test_embedded import damage

# model_archiver opens its version file on import and leaves closing it to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*model_archiver:ResourceWarning")


def read_properties(folder: Path) -> dict[str, str]:
    lines = (folder / "config" / "config.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_layout_that_a_storage_uri_points_at(models_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serving.archive", "--model", "tiny_x4", "--model", "slow_x2"]
    environment = {**os.environ, "LOUPE_MODELS_DIR": str(models_dir)}
    subprocess.run([*command, "--output", tmp_path, "--mounted-at", "/mnt/models"], env=environment, check=True)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "config/config.properties",
        "config/metrics.yaml",
        "model-store/slow_x2.mar",
        "model-store/tiny_x4.mar",
    ]
    properties = read_properties(tmp_path)
    assert properties["inference_address"] == "http://0.0.0.0:8080"
    assert properties["management_address"] == "http://127.0.0.1:8082"
    assert properties["model_store"] == "/mnt/models/model-store"
    assert properties["metrics_config"] == "/mnt/models/config/metrics.yaml"
    assert properties["disable_token_authorization"] == "true"
    assert properties["metrics_mode"] == "prometheus"
    assert int(properties["max_request_size"]) > 64 * 1024**2 * 4 // 3
    assert int(properties["max_response_size"]) > 10**9
    models = json.loads(properties["models"])
    assert models["tiny_x4"]["7"]["marName"] == "tiny_x4.mar"
    assert models["tiny_x4"]["7"]["batchSize"] > 1


def test_an_archive_holds_the_checkpoint_and_the_handler(models_dir: Path, tmp_path: Path) -> None:
    write_layout(tmp_path, ["tiny_x4"], ServingSettings(models_dir=models_dir))
    with zipfile.ZipFile(tmp_path / "model-store" / "tiny_x4.mar") as archive:
        assert sorted(archive.namelist()) == ["MAR-INF/MANIFEST.json", "handler.py", "tiny_x4.safetensors"]
        model = json.loads(archive.read("MAR-INF/MANIFEST.json"))["model"]
        archive.extract("tiny_x4.safetensors", tmp_path)
    assert model == {
        "modelName": "tiny_x4",
        "serializedFile": "tiny_x4.safetensors",
        "handler": "handler.py",
        "modelVersion": "7",
    }
    _, info = load_model(tmp_path / "tiny_x4.safetensors")
    assert info.name == "tiny_x4"


def test_an_archive_is_replaced_whole(models_dir: Path, tmp_path: Path) -> None:
    settings = ServingSettings(models_dir=models_dir)
    write_layout(tmp_path, ["tiny_x4"], settings)
    archive = tmp_path / "model-store" / "tiny_x4.mar"
    with archive.open("rb") as open_before:
        old = archive.stat().st_ino
        write_layout(tmp_path, ["tiny_x4"], settings)
        assert archive.stat().st_ino != old
        assert zipfile.is_zipfile(open_before)  # whoever was reading still has a whole one
    assert [path.name for path in (tmp_path / "model-store").iterdir()] == ["tiny_x4.mar"]


def test_a_damaged_checkpoint_gives_no_archive(models_dir: Path, tmp_path: Path) -> None:
    damage(models_dir / "tiny_x4.safetensors", tmp_path / "nan_x4.safetensors", "nan_x4")
    with pytest.raises(CheckpointError, match="NaN"):
        write_layout(tmp_path / "out", ["nan_x4"], ServingSettings(models_dir=tmp_path))
    assert not list((tmp_path / "out" / "model-store").iterdir())


def test_an_unknown_model_writes_nothing(models_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="nobody"):
        write_layout(tmp_path / "out", ["nobody"], ServingSettings(models_dir=models_dir))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, where a folder is wanted")
    with pytest.raises(StorageError, match="cannot be written"):
        write_layout(tmp_path / "out", ["tiny_x4"], ServingSettings(models_dir=models_dir))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_said(models_dir: Path, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IREAD | stat.S_IEXEC)
    with pytest.raises(StorageError, match="Permission denied"):
        write_layout(tmp_path / "out", ["tiny_x4"], ServingSettings(models_dir=models_dir))
