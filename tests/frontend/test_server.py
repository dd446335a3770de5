"""``python -m frontend`` as a person starts and stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from tests.frontend.conftest import SLOW, picture_bytes
from tests.frontend.house import ROOT, House


def frontend(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "frontend", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = frontend("--port", str(port))

    assert ended.returncode != 0
    assert ended.stderr.count("\n") == 1
    assert f"port {port} of 127.0.0.1 for the page is taken by another program" in ended.stderr
    assert f"LOUPE_PORT={port + 1}" in ended.stderr


def test_other_bad_starts_are_one_line_too() -> None:
    elsewhere = frontend("--host", "192.0.2.1", "--port", "0")
    assert (elsewhere.returncode, elsewhere.stderr.count("\n")) == (10, 1)
    storage = frontend("--port", "0", "--storage", "ftp://somewhere")
    assert (storage.returncode, storage.stderr.count("\n")) == (9, 1)
    number = frontend("--port", "70000")
    assert (number.returncode, number.stderr.count("\n")) == (2, 1)
    assert "65535" in number.stderr
    assert "Traceback" not in number.stderr


def test_it_imports_no_neural_network() -> None:
    code = "import sys, frontend.app, frontend.server; print({'torch', 'openvino', 'kserve'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_the_middle_of_work(another_house: Callable[..., House], stop: signal.Signals) -> None:
    house = another_house(grace_seconds=1)
    form = {"files": {"file": picture_bytes(512, 512, seed=40)}, "data": {"model": SLOW}}
    with (
        httpx.Client(base_url=house.url, timeout=30, trust_env=False) as client,
        client.stream("POST", "/api/upscale", **form) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        begun = time.monotonic()
        house.process.send_signal(stop)
        with pytest.raises(httpx.TransportError):
            for _ in lines:
                pass
    house.process.wait(10)

    assert time.monotonic() - begun < 8
    assert house.process.returncode == 0
