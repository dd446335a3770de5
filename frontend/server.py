"""Running the application: take the port first, so that a taken one is said in one line, then serve."""

import socket

import uvicorn

from frontend.app import create_app
from frontend.guard import MAX_HEADER_BYTES
from frontend.settings import WebSettings
from loupe.ports import listen


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
    port = settings.web_port
    choose = f"make run LOUPE_PORT={port + 1}, or --port {port + 1}"
    with listen(settings.web_host, port, purpose="the page", choose=choose) as taken:
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
