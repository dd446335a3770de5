"""What all tests share: real pictures, and a small real model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from minio import Minio
from moto.server import ThreadedMotoServer
from numpy.typing import NDArray
from PIL import Image

from loupe.checkpoint import describe, save_checkpoint
from loupe.models.edsr import EDSR, EDSRConfig

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CRDS = SHARED.parent / "crds"


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of an S3 server in memory, which takes any key."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Makes an empty bucket and returns its address, with the environment that leads there."""
    values = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "something", "AWS_REGION": "us-east-1"}
    for name, value in {**values, "S3_ENDPOINT_URL": moto}.items():
        monkeypatch.setenv(name, value)
    host = moto.removeprefix("http://")
    client = Minio(host, "somebody", "something", secure=False, region="us-east-1")

    def make(bucket: str) -> str:
        client.make_bucket(bucket)
        return f"s3://{bucket}"

    urlopen(Request(f"{moto}/moto-api/reset", method="POST")).close()
    yield make
    urlopen(Request(f"{moto}/moto-api/reset", method="POST")).close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Pictures that are not part of the project; see each test for what it skips without them."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data, which is not part of the project")
    return SHARED


@pytest.fixture(scope="session")
def crds() -> Path:
    """Custom resource definitions of several releases of Kubeflow and KServe, which are not part of the project."""
    if not CRDS.is_dir():
        pytest.skip("needs ../shared/crds, which is not part of the project")
    return CRDS


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """(512,512,3): scikit-image's astronaut (NASA, public domain)."""
    import skimage.data

    return np.asarray(skimage.data.astronaut())


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real photos, as files: what a person would give."""
    import skimage.data

    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small real checkpoints, ``tiny_x2`` and ``tiny_x4``: EDSR near nearest-neighbour."""
    folder = tmp_path_factory.mktemp("models")
    for scale in (2, 4):
        torch.manual_seed(scale)
        model = EDSR(EDSRConfig(scale=scale, features=8, blocks=1, upsampler="direct", skip="nearest"))
        with torch.no_grad():
            model.tail[0].weight.mul_(0.2)  # type: ignore[operator]
        info = describe(model, name=f"tiny_x{scale}", architecture="edsr", scale=scale, summary="for tests")
        save_checkpoint(folder / f"tiny_x{scale}.safetensors", model, info)
    return folder
