"""Versions with a reference distribution, an inference server that has seen pictures, a Kubeflow Pipelines server."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from loupe.distribution import Distribution
from loupe.images import Picture, encode
from loupe.quality import measure
from loupe.records import Lineage
from loupe.storage import FileStorage
from loupe.versions import promote, register
from tests.pipelines.kubeflow import Server as KubeflowServer
from tests.pipelines.kubeflow import serving
from tests.serving.servers import ENVIRONMENT, Server, started, until

SEEN = 40  # pictures that each model is given


def crops(photos: Path, count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Pieces of 64x64 of real photos."""
    generator = np.random.default_rng(seed)
    whole = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(photos.iterdir())]
    made = []
    for number in range(count):
        photo = whole[number % len(whole)]
        y, x = (int(generator.integers(0, side - 64)) for side in photo.shape[:2])
        made.append(np.ascontiguousarray(photo[y : y + 64, x : x + 64]))
    return made


@pytest.fixture(scope="session")
def versions(photos: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A storage in which a version of tiny_x2 and of tiny_x4 serves, trained on pictures in ordinary light."""
    storage = FileStorage(tmp_path_factory.mktemp("versions"))
    reference = Distribution.of(measure(Picture(color=crop)) for crop in crops(photos, 80, seed=0))
    for name in ("tiny_x2", "tiny_x4"):
        checkpoint = tiny_models / f"{name}.safetensors"
        features = reference.model_dump(mode="json")
        register(storage, checkpoint, card="", metrics={}, features=features, lineage=Lineage())
        promote(storage, name, "1")
    return f"file://{storage.root}"


@pytest.fixture(scope="session")
def watched(photos: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server: tiny_x4 was given dark pictures, tiny_x2 such as it was trained on."""
    environment = {**ENVIRONMENT, "LOUPE_MODELS_DIR": str(tiny_models), "LOUPE_WAITING": "64"}
    arguments = ["serving", "--models", "tiny_x2,tiny_x4", "--backend", "torch"]
    with started("embedded", arguments, environment, tmp_path_factory.mktemp("watched") / "log") as server:
        for model, divisor in (("tiny_x2", 1), ("tiny_x4", 6)):
            for count, crop in enumerate(crops(photos, SEEN, seed=1), 1):
                assert server.v2(model, encode(Picture(color=crop // np.uint8(divisor)), "PNG")).status_code == 200
                until(
                    lambda model=model, count=count: (  # type: ignore[misc]
                        server.metric("loupe_picture_feature_count", model=model, feature="entropy") == count
                    )
                )
        yield server


@pytest.fixture
def kubeflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeflowServer]:
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "LOUPE_KFP_TOKEN", "LOUPE_WORKER_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with serving() as server:
        yield server
