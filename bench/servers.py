"""Real servers as a person starts them, for measuring: ``with server("serving", "--port", "8123") as url: ...``."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

DEADLINE = 120.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server(room: str, probe: str, **environment: str) -> Iterator[tuple[str, float]]:
    """Run ``python -m ROOM`` until the block ends; gives its address and the seconds until ``probe`` answered 200."""
    names = ("HTTP", "GRPC", "PREDICTOR", "MANAGEMENT", "GRPC_MANAGEMENT", "METRICS", "WEB")
    ports = {f"LOUPE_{name}_PORT": str(free_port()) for name in names} | environment
    url = f"http://127.0.0.1:{ports['LOUPE_WEB_PORT' if room == 'frontend' else 'LOUPE_HTTP_PORT']}"
    arguments = ports.pop("arguments", "").split()
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", room, *arguments],
        env=os.environ | ports,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(url + probe):
            if process.poll() is not None or time.perf_counter() - begin > DEADLINE:
                raise RuntimeError(f"python -m {room} did not come up (exit code {process.poll()})")
            time.sleep(0.02)
        yield url, time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
