"""Running the application: take the port first, so that a taken one is said in one line, then serve."""

import errno
import socket

import uvicorn

from frontend.app import create_app
from frontend.guard import MAX_HEADER_BYTES
from frontend.settings import WebSettings


class PortTaken(Exception):
    """The address cannot be listened on; the message names it and the way out."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises PortTaken, also for a port or an address that is not ours to take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(2048)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            why = f"Port {port} on {host} is taken by another program"
        else:
            why = f"Cannot listen on {host}, port {port} ({error.strerror or error})"
        raise PortTaken(f"{why}. Choose another: make run LOUPE_PORT={port + 1}, or --port {port + 1}") from error
    return taken


def address(taken: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = taken.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


class Server(uvicorn.Server):
    """uvicorn that says where it is once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for one in sockets or []:
            print(f"Loupe is at {address(one)}", flush=True)  # noqa: T201  (the one line of the command line)


def serve(settings: WebSettings) -> None:
    """Serve until a signal. Raises PortTaken and StorageError before anything is served."""
    with listen(settings.web_host, settings.web_port) as taken:
        config = uvicorn.Config(
            create_app(settings),
            http="h11",  # the only one of uvicorn's parsers that limits headers
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.grace_seconds,
        )
        Server(config).run(sockets=[taken])
