"""A TCP proxy that cuts connections, or lets little through."""

import select
import socket
import threading
import time
from contextlib import suppress


class CuttingProxy:
    """Passes TCP on to ``target``; cuts each of the next ``cuts`` connections after that many bytes of answer.

    With ``rate``, bytes a second, it lets no more through, either way.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self.target = (host, int(port))
        self.cuts: list[int] = []
        self.rate = 0
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):  # closed at the end of the test
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                allowed = self.cuts.pop(0) if self.cuts else None
                threading.Thread(target=self.carry, args=(client, allowed), daemon=True).start()

    def carry(self, client: socket.socket, allowed: int | None) -> None:
        with client, socket.create_connection(self.target) as server, suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if ready is server and allowed is not None:
                        data = data[:allowed]
                        allowed -= len(data)
                    if not data:
                        return
                    if self.rate:
                        time.sleep(len(data) / self.rate)
                    (client if ready is server else server).sendall(data)
