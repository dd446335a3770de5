"""Models that were promoted in storage, as servers find them."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loupe import promoted
from loupe.checkpoint import load_model, read_info, save_checkpoint
from loupe.records import Lineage
from loupe.registry import WEIGHTS, find_model, find_models
from loupe.settings import Settings
from loupe.storage import FileStorage, Storage, open_storage
from loupe.versions import promote, register, rollback

SHIPPED = {path.stem for path in WEIGHTS.glob("*.safetensors")}


def add(storage: Storage, models: Path, version: str, folder: Path, name: str = "tiny_x4") -> None:
    """Register and promote."""
    model, info = load_model(models / "tiny_x4.safetensors")
    path = folder / "made.safetensors"
    save_checkpoint(path, model, info.model_copy(update={"version": version, "name": name}))
    register(storage, path, card="", metrics={"set5_psnr_y": 30.5}, features={}, lineage=Lineage(run="[r1]"))
    promote(storage, name, version)


@pytest.fixture
def bucket(s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.setattr(promoted, "FRESH_SECONDS", 1e-9)
    monkeypatch.setattr("loupe.s3.RETRIES", 0)
    return Settings(storage=f"{s3('models')}/deep", cache_dir=tmp_path / "cache")


def test_a_promoted_version_is_used_in_place(tiny_models: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    settings = Settings(storage=f"file://{storage.root}")
    assert set(find_models(settings)) == SHIPPED
    add(storage, tiny_models, "1", tmp_path)
    add(storage, tiny_models, "2", tmp_path)
    assert find_model("tiny_x4", settings) == storage.root / "models/tiny_x4/2/tiny_x4.safetensors"
    assert set(find_models(settings)) == SHIPPED | {"tiny_x4"}
    rollback(storage, "tiny_x4")
    assert read_info(find_model("tiny_x4", settings)).version == "1"


def test_promoted_comes_after_ones_own_folder_and_before_what_ships(tiny_models: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    shipped = sorted(SHIPPED)[0]
    add(storage, tiny_models, "7", tmp_path)
    add(storage, tiny_models, "7", tmp_path, name=shipped)
    settings = Settings(models_dir=tiny_models, storage=f"file://{storage.root}")
    assert find_model("tiny_x4", settings) == tiny_models / "tiny_x4.safetensors"
    assert storage.root in find_model(shipped, settings).parents
    assert storage.root in find_models(settings)[shipped].parents


def test_a_model_of_ones_own_folder_asks_no_storage(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(promoted, "open_storage", fail)
    assert find_model("tiny_x4", Settings(models_dir=tiny_models, storage="s3://nowhere")).parent == tiny_models


def test_a_promoted_version_is_downloaded_once(
    bucket: Settings, tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "loupe.promoted")
    storage = open_storage(bucket.storage)
    add(storage, tiny_models, "1", tmp_path)
    first = find_model("tiny_x4", bucket)
    assert first.read_bytes() == storage.read("models/tiny_x4/1/tiny_x4.safetensors")
    assert bucket.cache_dir in first.parents
    assert find_models(bucket)["tiny_x4"] == first
    assert caplog.text.count("downloading tiny_x4 version 1") == 1
    add(storage, tiny_models, "2", tmp_path)
    assert read_info(find_model("tiny_x4", bucket)).version == "2"
    storage.delete("models/tiny_x4/serving.json")
    assert set(find_models(bucket)) == SHIPPED


def test_a_look_at_the_bucket_is_believed_for_a_while(
    bucket: Settings, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promoted, "FRESH_SECONDS", 1e9)
    assert set(find_models(bucket)) == SHIPPED
    add(open_storage(bucket.storage), tiny_models, "1", tmp_path)
    assert set(find_models(bucket)) == SHIPPED
    promoted._refreshed.cache_clear()
    assert set(find_models(bucket)) == SHIPPED | {"tiny_x4"}


def test_a_damaged_download_is_made_again(bucket: Settings, tiny_models: Path, tmp_path: Path) -> None:
    add(open_storage(bucket.storage), tiny_models, "1", tmp_path)
    path = find_model("tiny_x4", bucket)
    path.write_bytes(b"cut off")
    assert read_info(find_model("tiny_x4", bucket)).name == "tiny_x4"


def test_what_was_changed_in_the_bucket_is_not_served(
    bucket: Settings, tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = open_storage(bucket.storage)
    add(storage, tiny_models, "1", tmp_path)
    storage.write("models/tiny_x4/1/tiny_x4.safetensors", b"something else")
    assert set(find_models(bucket)) == SHIPPED
    assert "is not what was registered" in caplog.text


def test_storage_that_is_away_leaves_what_was_seen_last(
    bucket: Settings,
    tiny_models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add(open_storage(bucket.storage), tiny_models, "1", tmp_path)
    find_models(bucket)
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:1")
    assert set(find_models(bucket)) == SHIPPED | {"tiny_x4"}
    assert "seen last" in caplog.text
    fresh = bucket.model_copy(update={"cache_dir": tmp_path / "other"})
    assert set(find_models(fresh)) == SHIPPED


@pytest.mark.parametrize("uri", ["s3://no-credentials", "nonsense", "file:///dev/null/deep"])
def test_no_failure_of_storage_takes_what_ships_down(
    uri: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert set(find_models(Settings(storage=uri, cache_dir=tmp_path))) == SHIPPED
    assert "promoted models" in caplog.text


def test_a_pointer_to_nothing_takes_nobody_down(
    tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = FileStorage(tmp_path / "store")
    add(storage, tiny_models, "1", tmp_path)
    add(storage, tiny_models, "1", tmp_path, name="other_x4")
    storage.delete("models/tiny_x4/1/version.json")
    (storage.root / "models/broken_x4").mkdir()
    (storage.root / "models/broken_x4/serving.json").write_bytes(b"{")
    assert set(find_models(Settings(storage=f"file://{storage.root}"))) == SHIPPED | {"other_x4"}
    assert "broken_x4/serving.json: damaged" in caplog.text
    assert "no versions of tiny_x4" in caplog.text


def test_the_command_line(tiny_models: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    environment = os.environ | {"LOUPE_STORAGE": f"file://{storage.root}", "COLUMNS": "160"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "loupe", "registry", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)

    assert "no versions" in run("list").stdout
    add(storage, tiny_models, "1", tmp_path)
    add(storage, tiny_models, "2", tmp_path)
    listed = run("list").stdout
    assert "serving" in listed
    assert "[r1]" in listed
    assert "set5_psnr_y 30.5" in listed
    assert [each["version"] for each in json.loads(run("list", "tiny_x4", "--json").stdout)] == ["1", "2"]
    back = run("rollback", "tiny_x4")
    assert "version 1 serves again" in back.stdout
    shown = run("show", "tiny_x4")
    assert "rollback 1" in shown.stdout
    assert "models/tiny_x4/1/tiny_x4.safetensors" in shown.stdout
    assert json.loads(run("show", "tiny_x4", "--json").stdout)["version"] == "1"
    assert "version 2 serves, after 1" in run("promote", "tiny_x4", "2").stdout
    missing = run("promote", "tiny_x4", "3")
    assert missing.returncode == 5
    assert "got '3', expected one of: 1, 2" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert run("show", "nobody").returncode == 5
    assert run("list", "--storage", "nonsense").returncode == 9
