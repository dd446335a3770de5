"""TorchServe run from here: archives made for it, ready when every worker is, and nothing left after.

    serve_torchserve(["edsr_x4"], settings)     # returns after SIGINT or SIGTERM

TorchServe notices no client that goes away, and refuses in words and headers of its own. So it stands as in a
cluster: behind the transformer (``serving/transformer.py``), which keeps the whole contract and sends it tiles.
The Java process is started directly, not by the ``torchserve`` script, which keeps one pid file for all of a
machine's instances and does not pass signals on.
"""

import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from loupe.errors import LoupeError
from loupe.ports import free_port
from serving.archive import write_layout
from serving.settings import ServingSettings

logger = logging.getLogger(__name__)

MAIN_CLASS = "org.pytorch.serve.ModelServer"
START_SECONDS = 300.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.25

# TorchServe's own writes five log files into the current folder, and a line for every request.
LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR">
  <Appenders>
    <Console name="console"><PatternLayout pattern="%d{ISO8601} %-5p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
"""


class TorchServeFailed(LoupeError):
    """Java is missing, or TorchServe did not come up; the message holds the end of its log."""

    exit_code: ClassVar[int] = 11


def serve_torchserve(names: Sequence[str], settings: ServingSettings) -> None:
    """Serve until SIGINT or SIGTERM. Raises TorchServeFailed, PortTaken, and what archives raise."""
    from serving.server import serve
    from serving.transformer import open_remote

    java = find_java()
    if importlib.util.find_spec("ts") is None:
        raise TorchServeFailed(
            "TorchServe is not installed; `make run RUNTIME=torchserve` or the extra 'torchserve' does"
        )
    settings = with_free_ports(settings)
    grpc_port = free_port("127.0.0.1", 0, purpose="TorchServe's gRPC", choose="")
    own = settings.model_copy(
        update={"http_host": "127.0.0.1", "http_port": settings.predictor_port, "grpc_port": grpc_port}
    )
    url = f"http://127.0.0.1:{settings.predictor_port}"
    with tempfile.TemporaryDirectory(prefix="loupe-torchserve-") as folder:
        write_layout(Path(folder), names, own)
        with running(java, Path(folder)) as process:
            logger.info("TorchServe at %s, its own metrics on port %d", url, settings.metrics_port)
            watch = Watch(names, settings, process, Path(folder))
            watch.start()
            try:
                serve({name: partial(open_remote, name, url, settings) for name in names}, settings)
            finally:
                watch.stop()
            if watch.failure:
                raise watch.failure


class Watch(threading.Thread):
    """Looks after TorchServe: when it does not come up, or ends by itself, this process is told to stop."""

    def __init__(
        self, names: Sequence[str], settings: ServingSettings, process: subprocess.Popen[bytes], folder: Path
    ) -> None:
        super().__init__(name="torchserve", daemon=True)
        self.failure: TorchServeFailed | None = None
        self._names, self._settings, self._process, self._folder = names, settings, process, folder
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            wait_until_ready(self._names, self._settings, self._process, self._stopped, self._folder)
            while not self._stopped.wait(POLL_SECONDS):
                if self._process.poll() is not None:
                    raise TorchServeFailed(f"TorchServe ended by itself: {log_tail(self._folder)}")
        except TorchServeFailed as error:
            self.failure = error
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def find_java() -> str:
    """The java to run. Raises TorchServeFailed."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(Path(home) / "bin" / "java" if home else "java")
    if java is None:
        raise TorchServeFailed(
            "TorchServe needs Java 17 or later and there is no java"
            + (f" in JAVA_HOME={home}" if home else " on the PATH")
            + "; install one (Debian: openjdk-17-jre-headless), or use the embedded server, which needs none"
        )
    return java


def with_free_ports(settings: ServingSettings) -> ServingSettings:
    """The same settings with each port known to be free, and a number in the place of 0. Raises PortTaken."""
    host = settings.http_host
    ports = {
        "http_port": free_port(host, settings.http_port, purpose="HTTP", choose="--port or LOUPE_HTTP_PORT"),
        "grpc_port": free_port(host, settings.grpc_port, purpose="gRPC", choose="--grpc-port or LOUPE_GRPC_PORT"),
    }
    for name in ("predictor_port", "management_port", "grpc_management_port", "metrics_port"):
        purpose, choose = f"TorchServe's {name.removesuffix('_port')}", f"LOUPE_{name.upper()}"
        ports[name] = free_port("127.0.0.1", getattr(settings, name), purpose=purpose, choose=choose)
    return settings.model_copy(update=ports)


@contextmanager
def running(java: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """TorchServe over a layout, in a process group of its own; the whole group is gone when this ends."""
    import ts

    home = Path(ts.__file__).parent.parent
    (folder / "log4j2.xml").write_text(LOG4J, "utf-8")
    (folder / "tmp").mkdir()
    # Where util-linux has it: Java is told to stop even when this process is killed with -9.
    setpriv = shutil.which("setpriv")
    command = [
        *([setpriv, "--pdeathsig", "TERM"] if setpriv else []),
        java,
        f"-Dmodel_server_home={home}",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog4j.configurationFile=file://{folder / 'log4j2.xml'}",
        "-cp",
        str(home / "ts" / "frontend" / "*"),
        MAIN_CLASS,
        "--python",
        sys.executable,
        "-f",
        str(folder / "config" / "config.properties"),
        "-s",
        str(folder / "model-store"),
        "-ncs",
    ]
    environment = {
        **os.environ,
        "TMPDIR": str(folder / "tmp"),  # one for each instance: workers keep sockets there under fixed names
        "LOG_LOCATION": str(folder / "logs"),
        "METRICS_LOCATION": str(folder / "logs"),
        "TS_DECODE_INPUT_REQUEST": "false",  # the handler reads JSON itself, faster
    }
    with (folder / "torchserve.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own command
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask Java to stop, which stops its workers; then see to it that none of the group is left."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        logger.warning("TorchServe did not stop within %g s and is killed", STOP_SECONDS)
    with suppress(ProcessLookupError):  # all of it has ended, as it should
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_ready(
    names: Sequence[str],
    settings: ServingSettings,
    process: subprocess.Popen[bytes],
    stop: threading.Event,
    folder: Path,
) -> bool:
    """Wait for a READY worker of each model: /ping says Healthy long before. False if stopped meanwhile."""
    deadline = time.monotonic() + START_SECONDS
    missing = list(names)
    while missing:
        if stop.wait(POLL_SECONDS):
            return False
        if process.poll() is not None:
            raise TorchServeFailed(f"TorchServe did not start: {log_tail(folder)}")
        if time.monotonic() > deadline:
            raise TorchServeFailed(f"no worker for {', '.join(missing)}: {log_tail(folder)}")
        missing = [name for name in missing if not is_ready(name, settings.management_port)]
    return True


def is_ready(name: str, management_port: int) -> bool:
    """Whether all workers of a model have loaded it."""
    url = f"http://127.0.0.1:{management_port}/models/{name}"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            (description,) = json.load(response)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False  # not listening yet, or the model is not registered yet
    workers = description["workers"]
    return bool(workers) and all(worker["status"] == "READY" for worker in workers)


def log_tail(folder: Path, lines: int = 20) -> str:
    """The end of TorchServe's log."""
    log = folder / "torchserve.log"
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join(["", *text.splitlines()[-lines:]])
