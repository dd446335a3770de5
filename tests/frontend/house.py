"""The real house for tests: an inference server and the page's server, each in a process of its own.

with run_inference(models) as inference, run_page(inference.url, storage) as page: ...
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class House:
    """A server that runs: where it is, and its process."""

    url: str
    process: subprocess.Popen[str]


def chromium() -> str | None:
    """Debian's browser, or None."""
    return shutil.which("chromium")


def make_checkpoint(folder: Path, name: str, *, scale: int, features: int = 8, blocks: int = 1) -> None:
    """A random model that enlarges like nearest-neighbour with a little noise; wide and deep ones are slow."""
    import torch

    from loupe.checkpoint import CheckpointInfo, save_checkpoint
    from loupe.models.edsr import EDSR, EDSRConfig

    torch.manual_seed(0)
    config = EDSRConfig(scale=scale, features=features, blocks=blocks, upsampler="direct", skip="nearest")
    model = EDSR(config)
    with torch.no_grad():
        for weights in list(model.parameters())[-2:]:
            weights.mul_(0.02)
    info = CheckpointInfo(
        name=name,
        architecture="edsr",
        config=asdict(config),
        scale=scale,
        parameters=sum(weights.numel() for weights in model.parameters()),
        summary="random weights, for tests",
        metrics={"set5_psnr_y": 20.0 + features},
        license="Apache-2.0",
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder / f"{name}.safetensors", model, info)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_inference(
    models: Path, log: Path, port: int | None = None, *, runtime: str = "embedded", **settings: object
) -> Iterator[House]:
    """``python -m serving`` with the checkpoints of a folder, ready; ``settings`` are fields of ServingSettings."""
    port = port or free_port()
    command = ["-m", "serving", "--runtime", runtime, "--port", str(port), "--grpc-port", str(free_port())]
    names = ",".join(sorted(path.stem for path in models.glob("*.safetensors")))
    environment = {"LOUPE_MODELS_DIR": str(models), "LOUPE_THREADS": "1", "LOUPE_SERVE_MODELS": names}
    for name in ("PREDICTOR", "MANAGEMENT", "GRPC_MANAGEMENT", "METRICS"):
        environment[f"LOUPE_{name}_PORT"] = "0"  # TorchServe's own
    environment |= {f"LOUPE_{name.upper()}": str(value) for name, value in settings.items()}
    with _process(command, environment, log) as process:
        url = f"http://127.0.0.1:{port}"
        _until(f"{url}/v2/health/ready", process, log)
        yield House(url, process)


@contextmanager
def run_page(inference_url: str, storage: Path, models: Path, log: Path, **settings: object) -> Iterator[House]:
    """``python -m frontend`` on a free port; ``settings`` are fields of WebSettings."""
    command = ["-m", "frontend", "--port", "0", "--inference-url", inference_url]
    environment = {"LOUPE_STORAGE": f"file://{storage}", "LOUPE_MODELS_DIR": str(models)}
    names = ",".join(sorted(path.stem for path in models.glob("*.safetensors")))
    environment["LOUPE_OFFER_MODELS"] = names
    environment |= {f"LOUPE_{name.upper()}": str(value) for name, value in settings.items()}
    with _process(command, environment, log) as process:
        deadline = time.monotonic() + 30
        while not (line := _last_line(log, "Loupe is at ")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield House(line.removeprefix("Loupe is at "), process)


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """Python with that command line, ended in every case."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until(url: str, process: subprocess.Popen[str], log: Path) -> None:
    """Wait until ``url`` answers 200."""
    deadline = time.monotonic() + 90
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)


def _last_line(log: Path, beginning: str) -> str | None:
    lines = [line for line in log.read_text().splitlines() if line.startswith(beginning)]
    return lines[-1] if lines else None
