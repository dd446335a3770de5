"""The server answers with the version that was promoted."""

from pathlib import Path

import httpx
import pytest

from loupe.checkpoint import load_model, save_checkpoint
from loupe.records import Lineage
from loupe.storage import FileStorage
from loupe.versions import promote, register
from serving.archive import write_layout
from serving.settings import ServingSettings
from tests.serving.servers import ENVIRONMENT, make_png, started, v2_body


def test_the_server_answers_with_the_promoted_version(models_dir: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    model, info = load_model(models_dir / "tiny_x4.safetensors")
    for version in ("8", "9"):
        save_checkpoint(tmp_path / "made.safetensors", model, info.model_copy(update={"version": version}))
        register(storage, tmp_path / "made.safetensors", card="", metrics={}, features={}, lineage=Lineage())
    promote(storage, "tiny_x4", "8")
    environment = {**ENVIRONMENT, "LOUPE_STORAGE": f"file://{storage.root}"}
    arguments = ["serving", "--backend", "torch"]
    with started("embedded", arguments, environment, tmp_path / "log") as server:
        assert "tiny_x4" in server.log.read_text()
        answer = httpx.post(f"{server.url}/v2/models/tiny_x4/infer", json=v2_body(make_png(16, 16)), timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["parameters"]["version"] == "8"


@pytest.mark.filterwarnings("ignore:unclosed file.*model_archiver:ResourceWarning")  # as in test_archive.py
def test_what_is_packed_can_be_registered(models_dir: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    write_layout(
        tmp_path / "layout", ["tiny_x4"], ServingSettings(models_dir=models_dir), mounted_at=Path("/mnt/models")
    )
    checkpoint = models_dir / "tiny_x4.safetensors"
    register(storage, checkpoint, card="", metrics={}, features={}, lineage=Lineage(), layout=tmp_path / "layout")
    keys = [entry.key for entry in storage.list("models/tiny_x4/7/")]
    assert "models/tiny_x4/7/model-store/tiny_x4.mar" in keys
    assert b"/mnt/models/model-store" in storage.read("models/tiny_x4/7/config/config.properties")
