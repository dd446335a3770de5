"""Real servers over small real checkpoints, started once for all tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from loupe.checkpoint import describe, save_checkpoint
from loupe.models.edsr import EDSR, EDSRConfig
from tests.samplers import make_sampler
from tests.serving.servers import ENVIRONMENT, Server, started

CONFIGS = {
    "tiny_x4": EDSRConfig(scale=4, features=8, blocks=1, upsampler="direct", skip="nearest"),
    "slow_x2": EDSRConfig(scale=2, features=64, blocks=8, upsampler="direct", skip="nearest"),
}

DRAWS = "tiny_faces"
SERVED = ",".join([*CONFIGS, DRAWS])


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, config in CONFIGS.items():
        model = EDSR(config)
        info = describe(model, name=name, architecture="edsr", scale=config.scale, version="7")
        save_checkpoint(folder / f"{name}.safetensors", model, info)
    make_sampler(folder, DRAWS, version="7")
    return folder


@pytest.fixture(scope="session")
def environment(models_dir: Path) -> dict[str, str]:
    return {**ENVIRONMENT, "LOUPE_MODELS_DIR": str(models_dir)}


@pytest.fixture(scope="session")
def embedded(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("embedded") / "log"
    arguments = ["serving", "--models", SERVED, "--backend", "torch"]
    with started("embedded", arguments, environment, log) as server:
        yield server


@pytest.fixture(scope="session")
def torchserve(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if shutil.which("java") is None:
        pytest.skip("TorchServe needs Java")
    log = tmp_path_factory.mktemp("torchserve") / "log"
    arguments = ["serving", "--runtime", "torchserve", "--models", SERVED, "--backend", "torch"]
    with started("torchserve", arguments, environment, log) as server:
        yield server


@pytest.fixture(params=["embedded", pytest.param("torchserve", marks=pytest.mark.torchserve)])
def server(request: pytest.FixtureRequest) -> Server:
    """Each test that takes this runs against both real servers."""
    found: Server = request.getfixturevalue(request.param)
    return found
