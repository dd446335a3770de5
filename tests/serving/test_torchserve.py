"""What only TorchServe has: raw bytes, batches of a mixture, and a process of another language to be kept in order."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from loupe.images import decode
from tests.serving.servers import Server, error_of, make_png, v2_body

PNG = make_png(40, 30)
BINARY = {"content-type": "application/octet-stream"}

pytestmark = pytest.mark.torchserve


def test_raw_bytes_in_raw_bytes_out(torchserve: Server) -> None:
    response = httpx.post(f"{torchserve.behind}/predictions/tiny_x4", content=PNG, headers=BINARY)
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-loupe-version"] == "7"
    assert decode(response.content).width == 160


def test_a_form_may_hold_options(torchserve: Server) -> None:
    url = f"{torchserve.behind}/predictions/tiny_x4"
    response = httpx.post(url, files={"data": ("a.png", PNG)}, data={"format": "jpeg", "width": "100"})
    assert response.headers["content-type"] == "image/jpeg"
    assert decode(response.content).width == 100
    response = httpx.post(url, files={"data": ("a.png", PNG)}, data={"quality": "500"})
    assert response.status_code == 422
    assert "quality: got '500', expected" in error_of(response)


@pytest.mark.parametrize("content", [b"", b"hello", PNG[:60]])
def test_raw_bytes_that_are_no_picture_are_400(torchserve: Server, content: bytes) -> None:
    response = httpx.post(f"{torchserve.behind}/predictions/tiny_x4", content=content, headers=BINARY)
    assert response.status_code == 400
    assert error_of(response)


def test_what_a_form_type_does_to_a_picture_is_explained(torchserve: Server) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = httpx.post(f"{torchserve.behind}/predictions/tiny_x4", content=PNG, headers=headers)
    assert response.status_code == 400
    assert "curl's default" in error_of(response)


def test_each_route_takes_each_form(torchserve: Server) -> None:
    routes = ("/predictions/tiny_x4", "/v1/models/tiny_x4:predict", "/v2/models/tiny_x4/infer")
    for route in routes:
        url = torchserve.behind + route
        assert httpx.post(url, content=PNG, headers=BINARY).content[:4] == b"\x89PNG"
        assert "outputs" in httpx.post(url, json=v2_body(PNG)).json()
        body = {"instances": [{"b64": v2_body(PNG)["inputs"][0]["data"][0]}]}  # type: ignore[index]
        assert "predictions" in httpx.post(url, json=body).json()


def test_a_batch_of_a_mixture_answers_each_in_its_own_way(torchserve: Server) -> None:
    """While one slow request is at work, the next ones gather and come to the handler together."""

    def send(index: int) -> int:
        if index % 2:
            return httpx.post(f"{torchserve.behind}/predictions/slow_x2", content=PNG, headers=BINARY).status_code
        return httpx.post(f"{torchserve.behind}/v2/models/slow_x2/infer", json=v2_body(b"bad")).status_code

    with ThreadPoolExecutor(5) as pool:
        url = f"{torchserve.behind}/predictions/slow_x2"
        slow = pool.submit(httpx.post, url, content=make_png(120, 120), headers=BINARY, timeout=60)
        time.sleep(0.1)
        statuses = list(pool.map(send, range(4)))
        assert slow.result().status_code == 200
    assert statuses == [400, 200, 400, 200]


def test_its_own_metrics_are_by_model(torchserve: Server) -> None:
    port = re.search(r"its own metrics on port (\d+)", torchserve.log.read_text())
    assert port
    torchserve.v2("tiny_x4", PNG)
    text = httpx.get(f"http://127.0.0.1:{port[1]}/metrics").text
    for name in ("loupe_requests_total", "loupe_request_seconds", "loupe_tiles_total", "loupe_megapixels_total"):
        assert re.search(rf'^{name}\w*{{.*model="tiny_x4"', text, re.MULTILINE | re.IGNORECASE), text


def run(environment: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving", "--runtime", "torchserve", "--models", "tiny_x4"],
        env={**os.environ, **environment, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_java_is_said_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    ended = run(environment, PATH=str(tmp_path), JAVA_HOME="")
    assert ended.returncode == 11
    assert "TorchServe needs Java 17" in ended.stderr
    assert "embedded server, which needs none" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(shutil.which("java") is None, reason="TorchServe needs Java")
def test_a_taken_port_is_said_in_one_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run(environment, LOUPE_MANAGEMENT_PORT=port)
    assert ended.returncode == 10
    assert f"port {port} of 127.0.0.1 for TorchServe's management is taken by another program" in ended.stderr
    assert "LOUPE_MANAGEMENT_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(shutil.which("java") is None, reason="TorchServe needs Java")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_while_it_starts_nothing_is_left(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    if number == signal.SIGKILL and shutil.which("setpriv") is None:
        pytest.skip("needs util-linux's setpriv")
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", "--runtime", "torchserve", "--models", "tiny_x4"],
        env={**os.environ, **environment, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (started := psutil.Process(process.pid).children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    started += [child for child in psutil.Process(process.pid).children(recursive=True) if child not in started]
    process.send_signal(number)
    _, errors = process.communicate(timeout=40)
    psutil.wait_procs(started, timeout=20)
    assert not [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    if number == signal.SIGTERM:
        assert process.returncode == 0, errors.decode()
        assert not list(tmp_path.iterdir())
