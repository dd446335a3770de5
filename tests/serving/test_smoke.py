"""What was published is tried, and taken back when it does not answer as it should."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from loupe.images import Picture, decode, encode
from loupe.storage import FileStorage
from loupe.versions import promote, read_pointer
from serving.packaging import Package
from serving.publishing import publish, register_package
from serving.smoke import SmokeFailed, check, try_package
from tests.serving.packages import packaged
from tests.serving.servers import ENVIRONMENT, Server, started

# model_archiver opens its version file on import and leaves closing it to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*model_archiver:ResourceWarning")


@pytest.fixture
def packages(tiny_models: Path, photos: Path, tmp_path: Path) -> list[Package]:
    """Versions 1 and 2; each test has its own, as some are tampered with."""
    return [packaged(tiny_models, photos, tmp_path, version) for version in ("1", "2")]


@pytest.fixture
def storage(packages: list[Package], tmp_path: Path) -> FileStorage:
    """Version 1 serves, 2 is registered."""
    storage = FileStorage(tmp_path / "store")
    publish(packages[0], f"file://{storage.root}")
    register_package(storage, packages[1])
    return storage


@pytest.fixture
def running(storage: FileStorage, tmp_path: Path) -> Iterator[Server]:
    environment = {**ENVIRONMENT, "LOUPE_STORAGE": f"file://{storage.root}", "LOUPE_RELOAD_SECONDS": "0.1"}
    with started("embedded", ["serving", "--models", "tiny_x4"], environment, tmp_path / "log") as server:
        yield server


def tamper(package: Package) -> None:
    """Let another picture be expected, of the same size."""
    path = package.folder / "smoke/expected.png"
    color = decode(path.read_bytes()).color
    path.write_bytes(encode(Picture(color=np.ascontiguousarray(color[::-1])), "PNG"))


def current(storage: FileStorage) -> str | None:
    pointer = read_pointer(storage, "tiny_x4")
    return pointer.current if pointer else None


def test_a_good_version_passes_on_a_server_of_its_own(packages: list[Package], storage: FileStorage) -> None:
    promote(storage, "tiny_x4", "2")
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    told: list[str] = []
    assert try_package(packages[1], f"file://{storage.root}", told=told.append) > 45
    assert "version 2 answers as it should" in told[-1]
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= children
    assert current(storage) == "2"


def test_a_wrong_picture_rolls_back(packages: list[Package], storage: FileStorage) -> None:
    promote(storage, "tiny_x4", "2")
    tamper(packages[1])
    with pytest.raises(SmokeFailed) as failure:
        try_package(packages[1], f"file://{storage.root}")
    assert "the answer is another picture: got" in str(failure.value)
    assert "It was taken back: version 1 serves" in str(failure.value)
    assert current(storage) == "1"


def test_a_first_version_that_fails_does_not_stay(packages: list[Package], tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "other")
    publish(packages[0], f"file://{storage.root}")
    (packages[0].folder / "smoke/expected.png").write_bytes((packages[0].folder / "smoke/input.png").read_bytes())
    with pytest.raises(SmokeFailed, match=r"wrong size: got 256x192, expected 64x48.*none was served before"):
        try_package(packages[0], f"file://{storage.root}")
    assert current(storage) is None


def test_a_server_that_does_not_start_is_a_failure(packages: list[Package], storage: FileStorage) -> None:
    (storage.root / "models/tiny_x4/2/tiny_x4.safetensors").write_bytes(b"damaged")
    storage.write("models/tiny_x4/serving.json", storage.read("models/tiny_x4/serving.json").replace(b'"1"', b'"2"'))
    with pytest.raises(SmokeFailed, match=r"started here: ended with [0-9]+: .*tiny_x4"):
        try_package(packages[1], f"file://{storage.root}")


def test_an_endpoint_is_asked_until_the_new_version_answers(
    packages: list[Package], storage: FileStorage, running: Server
) -> None:
    told: list[str] = []
    later = threading.Timer(1.0, promote, (storage, "tiny_x4", "2"))
    later.start()
    assert check(packages[1], running.url, timeout=30, told=told.append) > 45
    later.join()
    assert any("version 1 answers, expected 2" in line for line in told)
    with pytest.raises(SmokeFailed, match="asked for 0 s: version 2 answers, expected 1"):
        check(packages[0], running.url, timeout=0, told=told.append)


def test_an_endpoint_that_stays_away_is_a_failure(packages: list[Package], storage: FileStorage) -> None:
    promote(storage, "tiny_x4", "2")
    begin = time.monotonic()
    with pytest.raises(SmokeFailed, match=r"127\.0\.0\.1:9, asked for 1 s: no answer.*version 1 serves"):
        try_package(packages[1], f"file://{storage.root}", "http://127.0.0.1:9", timeout=1)
    assert time.monotonic() - begin < 10
    assert current(storage) == "1"
