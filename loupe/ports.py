"""Ports taken before anything is loaded, so that one that is not free is said at once and in one line."""

import errno
import socket
from typing import ClassVar

from loupe.errors import LoupeError


class PortTaken(LoupeError):
    """A port that cannot be listened on; the message says which, and how to choose another."""

    exit_code: ClassVar[int] = 10


def listen(host: str, port: int, *, purpose: str, choose: str) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one. Raises PortTaken, also for a port that is not ours to take.

    ``purpose`` and ``choose`` are for the message: "HTTP", "--port or LOUPE_HTTP_PORT".
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise PortTaken(f"port {port} of {host} for {purpose} {why}; choose another with {choose}") from error
    return listener


def free_port(host: str, port: int, *, purpose: str, choose: str) -> int:
    """The number of a port that is free now, for a server that takes only a number. Raises PortTaken."""
    with listen(host, port, purpose=purpose, choose=choose) as listener:
        number: int = listener.getsockname()[1]
    return number
