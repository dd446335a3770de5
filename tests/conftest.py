"""What all tests share: real pictures, and a small real model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from loupe.checkpoint import describe, save_checkpoint
from loupe.models.edsr import EDSR, EDSRConfig

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CRDS = SHARED.parent / "crds"


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
