"""A version that is promoted while both servers run reaches the page, without a restart of either."""

import time
from pathlib import Path

import httpx

from loupe.checkpoint import load_model, save_checkpoint
from loupe.records import Lineage
from loupe.storage import FileStorage
from loupe.versions import promote, register, withdraw
from tests.frontend.conftest import picture_bytes
from tests.frontend.house import run_inference, run_page
from tests.frontend.test_upscale import events, send


def models_of(page: httpx.Client, *, until: str | None) -> dict[str, str]:
    """Name -> version of the models that answer, once tiny_x4's is ``until``."""
    deadline = time.monotonic() + 30
    while True:
        told = page.get("/api/models").json()["models"]
        ready = {model["name"]: model["version"] for model in told if model["ready"]}
        if ready.get("tiny_x4") == until:
            return ready
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


def test_the_page_offers_what_was_promoted_and_keeps_results_apart(tiny_models: Path, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "store")
    model, info = load_model(tiny_models / "tiny_x4.safetensors")
    for version in ("1", "2"):
        save_checkpoint(tmp_path / "made.safetensors", model, info.model_copy(update={"version": version}))
        register(storage, tmp_path / "made.safetensors", card="", metrics={}, features={}, lineage=Lineage())
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    place = {"storage": f"file://{storage.root}", "serve_models": "edsr_fast_x2,tiny_x4"}
    picture = picture_bytes(40, 30, seed=77)
    promote(storage, "tiny_x4", "1")
    with (
        run_inference(nothing, tmp_path / "inference", reload_seconds=0.1, **place) as inference,
        run_page(inference.url, storage.root, nothing, tmp_path / "page") as house,
        httpx.Client(base_url=house.url, timeout=60, trust_env=False) as page,
    ):
        first = events(send(page, picture, model="tiny_x4"))[-1]
        promote(storage, "tiny_x4", "2")
        assert models_of(page, until="2")["edsr_fast_x2"]
        second = events(send(page, picture, model="tiny_x4"))[-1]
        assert (first["version"], second["version"], second["cached"]) == ("1", "2", False)
        assert first["url"] != second["url"]
        withdraw(storage, "tiny_x4", "2")
        models_of(page, until="1")
        again = events(send(page, picture, model="tiny_x4"))[-1]
        assert (again["url"], again["cached"]) == (first["url"], True)
