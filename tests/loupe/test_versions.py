"""Versions of a model, in a folder and in a bucket."""

import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from loupe.checkpoint import load_model, save_checkpoint
from loupe.errors import InvalidOption, ModelNotFound, StorageError, VersionConflict
from loupe.records import Lineage, ModelVersion, Pointer, folder_of
from loupe.s3 import S3Storage
from loupe.storage import FileStorage, Storage
from loupe.versions import (
    list_versions,
    next_version,
    promote,
    read_pointer,
    register,
    rollback,
    serving_models,
    serving_version,
    show,
    withdraw,
)

LINEAGE = Lineage(data="a" * 64, run="run-1", recipe="edsr_fast_x4")


@pytest.fixture(scope="module")
def bucket(moto: str) -> S3Storage:
    storage = S3Storage(
        "versions",
        endpoint=moto,
        access_key="somebody",
        secret_key="something",
        region="us-east-1",
        timeout=5,
    )
    storage._client.make_bucket("versions")
    return storage


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "file":
        return FileStorage(tmp_path / "store")
    bucket: S3Storage = request.getfixturevalue("bucket")
    for entry in list(bucket.list()):
        bucket.delete(entry.key)
    return bucket


class Shop:
    """Makes checkpoints and registers them."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self.models = folder, models

    def checkpoint(self, version: str, name: str = "tiny_x4") -> Path:
        model, info = load_model(self.models / f"{name}.safetensors")
        path = self.folder / version / f"{name}.safetensors"
        save_checkpoint(path, model, info.model_copy(update={"version": version}))
        return path

    def layout(self, version: str = "1") -> Path:
        """What serving.archive writes, without its handler."""
        folder = self.folder / "layout"
        for part in ("config/config.properties", "config/metrics.yaml", "model-store/tiny_x4.mar"):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_text(f"{part}\n")
        with zipfile.ZipFile(folder / "model-store" / "tiny_x4.mar", "w") as archive:
            archive.write(self.checkpoint(version), "tiny_x4.safetensors")
        return folder

    def register(self, storage: Storage, version: str, name: str = "tiny_x4", **more: object) -> ModelVersion:
        given = {"card": "# card", "metrics": {"set5_psnr_y": 31.0}, "features": {"light_mean": [0.1]}}
        given |= {"lineage": LINEAGE, **more}
        return register(storage, self.checkpoint(version, name), **given)  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path, tiny_models: Path) -> Shop:
    return Shop(tmp_path / "shop", tiny_models)


def test_a_version_is_stored_with_all_its_files(storage: Storage, shop: Shop) -> None:
    registered = shop.register(storage, "1", layout=shop.layout())
    assert [entry.key.removeprefix("models/tiny_x4/1/") for entry in storage.list("models/tiny_x4/1/")] == [
        "config/config.properties",
        "config/metrics.yaml",
        "features.json",
        "metrics.json",
        "model-store/tiny_x4.mar",
        "tiny_x4.md",
        "tiny_x4.safetensors",
        "version.json",
    ]
    assert storage.read("models/tiny_x4/1/tiny_x4.safetensors") == shop.checkpoint("1").read_bytes()
    assert json.loads(storage.read("models/tiny_x4/1/metrics.json")) == {"set5_psnr_y": 31.0}
    assert json.loads(storage.read("models/tiny_x4/1/features.json")) == {"light_mean": [0.1]}
    assert show(storage, "tiny_x4", "1") == registered
    assert registered.lineage == LINEAGE
    assert registered.stage == "candidate"
    assert folder_of("tiny_x4", "1") == "models/tiny_x4/1"


def test_versions_are_listed_and_found(storage: Storage, shop: Shop) -> None:
    assert list_versions(storage) == []
    assert next_version(storage, "tiny_x4") == "1"
    for version in ("1", "2", "10", "rc-1"):
        shop.register(storage, version, lineage=Lineage(run=version))
    shop.register(storage, "1", "tiny_x2")
    assert next((each.name, each.version) for each in list_versions(storage)) == ("tiny_x2", "1")
    assert [each.version for each in list_versions(storage, "tiny_x4")] == ["1", "2", "10", "rc-1"]
    assert next_version(storage, "tiny_x4") == "11"
    with pytest.raises(ModelNotFound, match="got '3', expected one of: 1, 2, 10, rc-1"):
        show(storage, "tiny_x4", "3")
    with pytest.raises(ModelNotFound, match="no versions of nobody"):
        show(storage, "nobody", "1")


def test_a_version_never_changes(storage: Storage, shop: Shop) -> None:
    shop.register(storage, "1")
    before = {entry.key: storage.read(entry.key) for entry in storage.list()}
    with pytest.raises(VersionConflict, match=r"tiny_x4 version 1 is registered already.*such as 2"):
        shop.register(storage, "1", card="another")
    assert {entry.key: storage.read(entry.key) for entry in storage.list()} == before


def test_promoting_and_rolling_back(storage: Storage, shop: Shop) -> None:
    for version in ("1", "2", "3"):
        shop.register(storage, version)
    assert serving_version(storage, "tiny_x4") is None
    assert serving_models(storage) == []
    with pytest.raises(ModelNotFound, match="no version of tiny_x4 serves"):
        rollback(storage, "tiny_x4")
    promote(storage, "tiny_x4", "1")
    with pytest.raises(ModelNotFound, match="no version served before 1"):
        rollback(storage, "tiny_x4")
    promote(storage, "tiny_x4", "2")
    promote(storage, "tiny_x4", "3")
    assert serving_models(storage) == ["tiny_x4"]
    assert {each.version: each.stage for each in list_versions(storage)} == {
        "1": "retired",
        "2": "retired",
        "3": "serving",
    }
    assert rollback(storage, "tiny_x4").current == "2"
    assert rollback(storage, "tiny_x4").current == "1"
    promote(storage, "tiny_x4", "3")
    pointer = rollback(storage, "tiny_x4")
    assert pointer.current == "1"
    assert [(change.action, change.version) for change in pointer.history] == [
        ("promote", "1"),
        ("promote", "2"),
        ("promote", "3"),
        ("rollback", "2"),
        ("rollback", "1"),
        ("promote", "3"),
        ("rollback", "1"),
    ]
    assert read_pointer(storage, "tiny_x4") == pointer
    found = serving_version(storage, "tiny_x4")
    assert found is not None
    assert (found.version, found.stage) == ("1", "serving")


def test_a_step_that_is_repeated_changes_nothing(storage: Storage, shop: Shop) -> None:
    for version in ("1", "2", "3"):
        shop.register(storage, version)
        promote(storage, "tiny_x4", version)
    assert len(promote(storage, "tiny_x4", "3").history) == 3
    assert rollback(storage, "tiny_x4", failed="3").current == "2"
    with pytest.raises(VersionConflict, match="version 2 serves, not 3; nothing is rolled back"):
        rollback(storage, "tiny_x4", failed="3")
    assert read_pointer(storage, "tiny_x4").current == "2"  # type: ignore[union-attr]


def test_what_failed_is_withdrawn(storage: Storage, shop: Shop) -> None:
    for version in ("1", "2", "3"):
        shop.register(storage, version)
    assert withdraw(storage, "tiny_x4", "1") is None  # none serves
    promote(storage, "tiny_x4", "1")
    assert withdraw(storage, "tiny_x4", "1") is None
    assert read_pointer(storage, "tiny_x4") is None
    assert serving_models(storage) == []
    promote(storage, "tiny_x4", "2")
    with pytest.raises(ModelNotFound, match="no version served before 2"):
        rollback(storage, "tiny_x4")  # the one withdrawn does not come back
    promote(storage, "tiny_x4", "3")
    for _ in range(2):  # a step that is repeated does not go back twice
        left = withdraw(storage, "tiny_x4", "3")
        assert left is not None
        assert left.current == "2"
    storage.delete("models/tiny_x4/2/version.json")
    promote(storage, "tiny_x4", "3")
    assert withdraw(storage, "tiny_x4", "3") is None  # 2 has been deleted meanwhile


def test_what_is_half_registered_is_no_version(storage: Storage, shop: Shop) -> None:
    class Full(RuntimeError):
        pass

    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(storage, name)

        def write(self, key: str, data: object, media_type: str = "") -> None:
            if key.endswith("version.json"):
                raise Full
            storage.write(key, data, media_type)  # type: ignore[arg-type]

    with pytest.raises(Full):
        shop.register(Failing(), "1", layout=shop.layout())  # type: ignore[arg-type]
    assert list_versions(storage) == []
    with pytest.raises(ModelNotFound):
        promote(storage, "tiny_x4", "1")
    shop.register(storage, "1")
    assert not storage.exists("models/tiny_x4/1/model-store/tiny_x4.mar")
    promote(storage, "tiny_x4", "1")


def test_a_checkpoint_that_was_changed_is_not_promoted(storage: Storage, shop: Shop) -> None:
    shop.register(storage, "1")
    storage.write("models/tiny_x4/1/tiny_x4.safetensors", b"another writer's")
    with pytest.raises(VersionConflict, match="sha256"):
        promote(storage, "tiny_x4", "1")
    storage.delete("models/tiny_x4/1/tiny_x4.safetensors")
    with pytest.raises(VersionConflict, match="no checkpoint in storage"):
        promote(storage, "tiny_x4", "1")
    assert read_pointer(storage, "tiny_x4") is None


def test_a_damaged_record_does_not_hide_the_others(
    storage: Storage, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.register(storage, "1")
    storage.write("models/tiny_x4/2/version.json", b"{")
    storage.write("models/tiny_x4/3/version.json", storage.read("models/tiny_x4/1/version.json"))
    assert [each.version for each in list_versions(storage)] == ["1"]
    assert "models/tiny_x4/2/version.json: damaged" in caplog.text
    assert "is the record of tiny_x4 version 1" in caplog.text


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"current": "1", "history": []}', b'{"current": "../../up", "history": []}']
)
def test_a_damaged_pointer_is_told(text: bytes, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    storage.write("models/tiny_x4/serving.json", text)
    with pytest.raises(VersionConflict, match=r"serving\.json: damaged.*delete it and promote again"):
        serving_version(storage, "tiny_x4")


def test_a_history_that_rolls_back_too_far_is_read(tmp_path: Path) -> None:
    at = "2026-01-01T00:00:00Z"
    history = [{"action": action, "version": "1", "at": at} for action in ("promote", "rollback", "rollback")]
    assert Pointer.model_validate({"current": "1", "history": history}).before == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "x" * 64, "a\n", "-a", "é"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    for use in (read_pointer, list_versions, serving_version, next_version, rollback):
        with pytest.raises(InvalidOption, match="model: got"):
            use(storage, name)
    with pytest.raises(InvalidOption, match="model: got"):
        promote(storage, name, "1")


@pytest.mark.parametrize("version", ["", "..", ".hidden", "a/b", "1\n", "x" * 64, "serving.json", "ä"])
def test_a_bad_version_is_refused(version: str, tmp_path: Path) -> None:
    for use in (show, promote):
        with pytest.raises(InvalidOption, match="version: got"):
            use(FileStorage(tmp_path), "tiny_x4", version)


def test_what_cannot_be_registered_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    with pytest.raises(InvalidOption, match="finite"):
        shop.register(storage, "1", metrics={"psnr": float("nan")})
    with pytest.raises(InvalidOption, match="not JSON compliant"):
        shop.register(storage, "1", features={"light": float("inf")})
    layout = shop.layout("2")
    with pytest.raises(VersionConflict, match="holds another checkpoint"):
        shop.register(storage, "1", layout=layout)
    (layout / "model-store" / "tiny_x4.mar").write_bytes(b"no zip")
    with pytest.raises(StorageError, match=r"not an archive of tiny_x4.*write it by serving\.archive"):
        shop.register(storage, "1", layout=layout)
    (layout / "model-store" / "tiny_x4.mar").unlink()
    with pytest.raises(StorageError, match=r"no model-store/tiny_x4\.mar; expected a folder written by serving"):
        shop.register(storage, "1", layout=layout)
    assert not (tmp_path / "store").exists()


def test_promotions_at_once_leave_a_whole_pointer(shop: Shop, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    versions = ["1", "2", "3", "4"]
    for version in versions:
        shop.register(storage, version)
    promote(storage, "tiny_x4", "1")

    def work(version: str) -> None:
        for _ in range(5):
            promote(storage, "tiny_x4", version)

    threads = [threading.Thread(target=work, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = serving_version(storage, "tiny_x4")
        assert found is not None
        assert found.version in versions
    assert read_pointer(storage, "tiny_x4").current in versions  # type: ignore[union-attr]


def test_a_later_release_may_add_fields(shop: Shop, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    shop.register(storage, "1")
    key = "models/tiny_x4/1/version.json"
    record = json.loads(storage.read(key))
    assert "stage" not in record
    storage.write(key, json.dumps({**record, "signature": os.urandom(4).hex()}).encode())
    assert show(storage, "tiny_x4", "1").version == "1"
