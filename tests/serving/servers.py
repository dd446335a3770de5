"""Real servers in processes of their own, and what is said to them."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil

from loupe.images import Picture, decode, encode

START_SECONDS = 120
MAX_BYTES = 1_000_000
WAITING = 6

# Small ports of everything, so that limits are reached in tests as they are in life.
ENVIRONMENT = {
    "LOUPE_LIMITS__MAX_BYTES": str(MAX_BYTES),
    "LOUPE_WAITING": str(WAITING),
    "LOUPE_MAX_WAITING_BYTES": "4000000",
    "LOUPE_TILE": "64",
    "LOUPE_REMOTE_TILE": "48",
    "LOUPE_REMOTE_WORKERS": "3",
    "LOUPE_MAX_ITEMS": "8",
    "LOUPE_THREADS": "1",
    "LOUPE_HTTP_PORT": "0",
    "LOUPE_GRPC_PORT": "0",
    "LOUPE_PREDICTOR_PORT": "0",
    "LOUPE_MANAGEMENT_PORT": "0",
    "LOUPE_GRPC_MANAGEMENT_PORT": "0",
    "LOUPE_METRICS_PORT": "0",
    "OMP_NUM_THREADS": "1",
}


@dataclass
class Server:
    """A server in a process of its own. ``kind`` is embedded, torchserve or transformer."""

    kind: str
    process: subprocess.Popen[bytes]
    url: str
    log: Path
    behind: str  # the address of TorchServe itself, behind ours

    def v2(self, model: str, *pictures: bytes, **options: object) -> httpx.Response:
        body = v2_body(*pictures, **options)
        return httpx.post(f"{self.url}/v2/models/{model}/infer", json=body, timeout=60)

    def v1(self, model: str, *instances: dict[str, object]) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/models/{model}:predict", json={"instances": list(instances)}, timeout=60)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in httpx.get(f"{self.url}/metrics").text.splitlines():
            found = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
            if found and found[1] == name:
                there = dict(re.findall(r'(\w+)="([^"]*)"', found[2]))
                if labels.items() <= there.items():
                    total += float(found[3])
        return total


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def v2_body(*pictures: bytes, **options: object) -> dict[str, object]:
    data = [b64(picture) for picture in pictures]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return {"inputs": [tensor], "parameters": options}


def make_png(width: int, height: int) -> bytes:
    """A smooth colour picture."""
    y, x = np.mgrid[:height, :width]
    color = np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256], axis=-1)
    return encode(Picture(color=color.astype(np.uint8)), "PNG")


def pixels_of(response: httpx.Response, index: int = 0) -> np.ndarray:
    """The pixels of a v2 answer, int16 so that they can be subtracted."""
    assert response.status_code == 200, response.text
    return decode(base64.b64decode(response.json()["outputs"][0]["data"][index])).color.astype(np.int16)


def error_of(response: httpx.Response) -> str:
    """The message of an error: ours and KServe's is {"error"}; what TorchServe refuses itself has {"message"}."""
    message = response.json()
    return str(message["error"] if "error" in message else message["message"])


@contextmanager
def started(kind: str, arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[Server]:
    """Run a server until the block ends; then Ctrl-C, and nothing of it may be left."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        url = wait_for(r"ready at (http://\S+)", process, log)
        found = re.search(r"TorchServe at (http://\S+),", log.read_text())
        yield Server(kind, process, url, log, found[1] if found else "")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
        assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    finally:
        process.kill()
        process.wait()


def wait_for(pattern: str, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"not ready within {START_SECONDS} s: {log.read_text()}")


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes true a little later, such as a metric."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
