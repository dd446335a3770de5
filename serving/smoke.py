"""Does what was published answer, and rightly? One real picture, through the protocol that everybody uses.

    try_package(package, "file://.loupe")                               # by a server of its own, started and stopped
    try_package(package, "s3://models", "http://edsr-x4.ml", on=on)     # at an endpoint

The answer must come from the published version, have the right size, and agree with what the checkpoint made of the
same picture on a CPU. If it does not, the version before it serves again, and this fails.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import httpx
import numpy as np
import torch
from pydantic import ValidationError

from loupe.colour import Samples
from loupe.errors import LoupeError, NotAPicture
from loupe.images import decode
from loupe.metrics import psnr
from loupe.open_inference import Answer, endpoint, error_message, request_body
from loupe.ports import free_port
from serving.cluster import Told
from serving.packaging import EXPECTED, INPUT, Package
from serving.publishing import OnCluster, take_back

logger = logging.getLogger(__name__)

LEAST = 40.0  # dB: half precision on a GPU rounds differently, by a level here and there, which leaves 50 and more
PAUSE = 0.5  # seconds between two tries
ONE_ANSWER = 60.0  # seconds
LOCAL_SECONDS = 120.0  # for a server of ours to load one model
STOP_SECONDS = 20.0
PASSING = frozenset({404, 429, 502, 503, 504})  # while an endpoint comes up, or goes from one version to the next


class SmokeFailed(LoupeError):
    """What was published does not answer as it should."""

    exit_code: ClassVar[int] = 20


def try_package(
    package: Package,
    storage_uri: str,
    url: str = "",
    *,
    on: OnCluster | None = None,
    timeout: float = 300.0,
    told: Told = logger.info,
) -> float:
    """PSNR in dB of the answer. Without ``url``, of a server that is started here on free ports.

    Raises SmokeFailed, after the version has been taken back.
    """
    name, version = package.info.name, package.info.version
    try:
        if url:
            found = check(package, url, timeout=timeout, told=told)
        else:
            with local_server(name, storage_uri) as local:
                found = check(package, local, timeout=min(timeout, 10.0), told=told)
    except LoupeError as error:
        try:
            outcome = take_back(storage_uri, name, version, on=on, told=told)
        except LoupeError as another:
            outcome = f"taking it back failed too: {another}"
        raise SmokeFailed(f"{name} version {version} failed its test: {error}. It was taken back: {outcome}") from error
    told(f"{name} version {version} answers as it should: {found:.1f} dB, {LEAST:g} are enough")
    return found


def check(package: Package, url: str, *, timeout: float, told: Told) -> float:
    """Ask until the published version answers, for ``timeout`` seconds; its PSNR in dB. Raises SmokeFailed."""
    address, shown = endpoint(url, package.info.name)
    body, end, last = request_body((package.folder / INPUT).read_bytes()), time.monotonic() + timeout, ""
    with httpx.Client(timeout=ONE_ANSWER, trust_env=False, headers={"Content-Type": "application/json"}) as client:
        while True:
            answer = _ask(client, address, body)
            if isinstance(answer, Answer):
                if (version := answer.parameters.version) == package.info.version:
                    return compare(package, answer)
                answer = f"version {version} answers, expected {package.info.version}"
            if answer != last:
                told(f"{shown}: {answer}")
                last = answer
            if time.monotonic() > end:
                raise SmokeFailed(f"{shown}, asked for {timeout:g} s: {answer}")
            time.sleep(PAUSE)


def compare(package: Package, answer: Answer) -> float:
    """PSNR in dB against what is expected. Raises SmokeFailed."""
    expected = decode((package.folder / EXPECTED).read_bytes()).color
    try:
        got = decode(answer.image()).color
    except (ValueError, NotAPicture) as error:
        raise SmokeFailed(f"the answer is no picture: {error}") from error
    if got.shape != expected.shape:
        size = f"{got.shape[1]}x{got.shape[0]}, expected {expected.shape[1]}x{expected.shape[0]}"
        raise SmokeFailed(f"the answer has a wrong size: got {size} pixels")
    found = float(psnr(_tensor(got), _tensor(expected), border=0, channel="rgb"))
    if found < LEAST:
        raise SmokeFailed(f"the answer is another picture: got {found:.1f} dB, expected at least {LEAST:g}")
    return found


@contextmanager
def local_server(name: str, storage_uri: str) -> Iterator[str]:
    """``python -m serving`` with this model, as ``make run`` would serve it; its address. Raises SmokeFailed."""
    http, grpc = (free_port("127.0.0.1", 0, purpose="a test", choose="") for _ in range(2))
    command = [sys.executable, "-m", "serving", "--models", name, "--port", str(http), "--grpc-port", str(grpc)]
    environment = {
        **os.environ,
        "LOUPE_STORAGE": storage_uri,
        "LOUPE_RELOAD_SECONDS": "0",
        "LOUPE_HTTP_HOST": "127.0.0.1",
    }
    with tempfile.TemporaryDirectory(prefix="loupe-smoke-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603  # our own
        try:
            _wait_until_ready(f"http://127.0.0.1:{http}", process, log)
            yield f"http://127.0.0.1:{http}"
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + LOCAL_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{url}/v2/health/ready", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(PAUSE)
    tail = " | ".join(log.read_text("utf-8", "replace").splitlines()[-5:])
    ended = f"ended with {process.returncode}" if process.poll() is not None else f"not ready in {LOCAL_SECONDS:g} s"
    raise SmokeFailed(f"the server that was started here: {ended}: {tail}")


def _ask(client: httpx.Client, address: httpx.URL, body: bytes) -> Answer | str:
    """The answer, or why there is none yet. Raises SmokeFailed for an answer that more tries would not change."""
    try:
        response = client.post(address, content=body)
    except httpx.HTTPError as error:
        return f"no answer: {error or type(error).__name__}"
    if response.status_code != httpx.codes.OK:
        said = f"{response.status_code} {error_message(response.content) or response.reason_phrase}"
        if response.status_code in PASSING:
            return said
        raise SmokeFailed(f"{address} answered {said}")
    try:
        return Answer.model_validate_json(response.content)
    except ValidationError as error:
        raise SmokeFailed(f"{address} gave no answer of the Open Inference Protocol with a picture") from error


def _tensor(color: Samples) -> torch.Tensor:
    """(H,W,C) -> (1,3,H,W) in [0,1]."""
    planes = torch.from_numpy(color.astype(np.float32) / np.iinfo(color.dtype).max).permute(2, 0, 1)[None]
    return planes.expand(1, 3, -1, -1)
