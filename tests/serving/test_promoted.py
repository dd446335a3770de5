"""The server answers with the version that was promoted, also with one that is promoted while it runs."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from loupe.checkpoint import load_model, save_checkpoint
from loupe.records import Lineage
from loupe.storage import FileStorage
from loupe.upscale import Upscaler
from loupe.versions import promote, register, rollback, withdraw
from serving.archive import write_layout
from serving.coalesce import open_local
from serving.contract import Item, Request, Result
from serving.jobs import Jobs
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.serving.servers import ENVIRONMENT, Server, make_png, started, until, v2_body
from tests.serving.test_embedded import damage

PNG = make_png(16, 16)


def add(storage: FileStorage, models_dir: Path, version: str, folder: Path, *, name: str = "tiny_x4") -> None:
    """Register a version."""
    model, info = load_model(models_dir / "tiny_x4.safetensors")
    save_checkpoint(folder / "made.safetensors", model, info.model_copy(update={"version": version, "name": name}))
    register(storage, folder / "made.safetensors", card="", metrics={}, features={}, lineage=Lineage())


@pytest.fixture
def storage(models_dir: Path, tmp_path: Path) -> FileStorage:
    """With versions 1, 2 and 3 of tiny_x4, of which 1 serves."""
    storage = FileStorage(tmp_path / "store")
    for version in ("1", "2", "3"):
        add(storage, models_dir, version, tmp_path)
    promote(storage, "tiny_x4", "1")
    return storage


@pytest.fixture
def running(storage: FileStorage, tmp_path: Path) -> Iterator[Server]:
    """A server that looks for promotions all the time."""
    environment = {**ENVIRONMENT, "LOUPE_STORAGE": f"file://{storage.root}", "LOUPE_RELOAD_SECONDS": "0.1"}
    arguments = ["serving", "--backend", "torch", "--models", "tiny_x4"]
    with started("embedded", arguments, environment, tmp_path / "log") as server:
        yield server


def version_of(server: Server, name: str = "tiny_x4") -> str | None:
    """What answers; None for 404."""
    answer = server.v2(name, PNG)
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    return str(answer.json()["parameters"]["version"])


def test_the_server_answers_with_the_promoted_version(models_dir: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    for version in ("8", "9"):
        add(storage, models_dir, version, tmp_path)
    promote(storage, "tiny_x4", "8")
    environment = {**ENVIRONMENT, "LOUPE_STORAGE": f"file://{storage.root}"}
    arguments = ["serving", "--backend", "torch"]
    with started("embedded", arguments, environment, tmp_path / "log") as server:
        assert "tiny_x4" in server.log.read_text()
        answer = httpx.post(f"{server.url}/v2/models/tiny_x4/infer", json=v2_body(make_png(16, 16)), timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["parameters"]["version"] == "8"


def test_what_is_promoted_while_requests_run_takes_over_and_none_fails(storage: FileStorage, running: Server) -> None:
    stop, seen, failures = threading.Event(), [], []

    def ask() -> None:
        while not stop.is_set():
            answer = running.v2("tiny_x4", make_png(96, 80))
            if answer.status_code == 200:
                seen.append(answer.json()["parameters"]["version"])
            else:
                failures.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in ("2", "3"):
            promote(storage, "tiny_x4", version)
            until(lambda version=version: version in seen)  # type: ignore[misc]
            assert httpx.get(f"{running.url}/v2/models/tiny_x4").json()["versions"] == [version]
        rollback(storage, "tiny_x4")
        count = len(seen)
        until(lambda: "2" in seen[count:])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert httpx.get(f"{running.url}/v2/health/ready").status_code == 200
    assert "Traceback" not in running.log.read_text()


def test_a_new_model_appears_and_a_withdrawn_one_goes(models_dir: Path, storage: FileStorage, tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "LOUPE_STORAGE": f"file://{storage.root}", "LOUPE_RELOAD_SECONDS": "0.1"}
    with started("embedded", ["serving", "--backend", "torch"], environment, tmp_path / "log") as server:
        assert version_of(server, "other_x4") is None
        add(storage, models_dir, "5", tmp_path, name="other_x4")
        promote(storage, "other_x4", "5")
        until(lambda: version_of(server, "other_x4") == "5")
        assert "other_x4" in httpx.get(f"{server.url}/v1/models").json()["models"]
        withdraw(storage, "other_x4", "5")
        until(lambda: version_of(server, "other_x4") is None)
        shipped = version_of(server, "edsr_fast_x4")
        add(storage, models_dir, "promoted", tmp_path, name="edsr_fast_x4")
        promote(storage, "edsr_fast_x4", "promoted")
        until(lambda: version_of(server, "edsr_fast_x4") == "promoted")
        withdraw(storage, "edsr_fast_x4", "promoted")
        until(lambda: version_of(server, "edsr_fast_x4") == shipped)
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200


def test_a_server_of_some_models_takes_no_others(
    models_dir: Path, storage: FileStorage, running: Server, tmp_path: Path
) -> None:
    add(storage, models_dir, "5", tmp_path, name="other_x4")
    promote(storage, "other_x4", "5")
    promote(storage, "tiny_x4", "2")
    until(lambda: version_of(running) == "2")
    assert version_of(running, "other_x4") is None


def test_what_cannot_be_loaded_is_said_once_and_the_old_one_goes_on(
    models_dir: Path, storage: FileStorage, running: Server, tmp_path: Path
) -> None:
    damage(models_dir / "tiny_x4.safetensors", tmp_path / "nan.safetensors", "tiny_x4", version="4")
    register(storage, tmp_path / "nan.safetensors", card="", metrics={}, features={}, lineage=Lineage())
    promote(storage, "tiny_x4", "4")
    until(lambda: "tiny_x4 stays at version 1" in running.log.read_text())
    time.sleep(0.5)
    assert running.log.read_text().count("tiny_x4 stays at version 1") == 1
    assert version_of(running) == "1"
    (storage.root / "models/tiny_x4/serving.json").write_bytes(b"{")  # storage cannot say: all stays as it is
    time.sleep(0.3)
    assert version_of(running) == "1"
    storage.delete("models/tiny_x4/serving.json")
    promote(storage, "tiny_x4", "2")
    until(lambda: version_of(running) == "2")


async def swap_while_at_work(model: Predictor, jobs: Jobs, open_model: Callable[[], Upscaler]) -> object:
    request = Request(protocol="raw", items=(Item(data=PNG),))
    working, go_on = threading.Event(), threading.Event()
    old = model._loaded()

    def work(_: object) -> object:
        working.set()
        assert go_on.wait(20)
        return old.run(request, cancelled=lambda: False).results[0]

    task = asyncio.create_task(jobs.run(work))
    await asyncio.to_thread(working.wait, 20)
    await asyncio.to_thread(model.swap, open_model)
    go_on.set()
    return await task


def test_the_old_network_is_freed(models_dir: Path) -> None:
    settings = ServingSettings(models_dir=models_dir, backend="torch", threads=1)
    jobs = Jobs(running=1, waiting=1)
    opened: list[weakref.ref[Upscaler]] = []

    def open_model() -> Upscaler:
        upscaler = open_local("tiny_x4", settings)
        opened.append(weakref.ref(upscaler))
        return upscaler

    model = Predictor("tiny_x4", open_model, settings, jobs, Metrics(CollectorRegistry()))
    assert model.load()
    result = asyncio.run(swap_while_at_work(model, jobs, open_model))
    assert isinstance(result, Result)  # begun on the old one, and ended there
    jobs.stop()
    gc.collect()
    assert [each() is None for each in opened] == [True, False]


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
