"""A real HTTP server that speaks the inference contract by nearest neighbour, and misbehaves on demand.

with serving() as server: ...

Every right answer is known exactly; a list of behaviours says how the next requests are misanswered, after which the
server is well again.
"""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from loupe.images import Picture, decode, encode

SCALE = 2
MODEL = "nearest_x2"


class Server(ThreadingHTTPServer):
    """Speaks the inference contract; ``behaviours`` are consumed one a request."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.behaviours: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.ports: list[int] = []
        self.depths: list[int] = []
        self.open: list[socket.socket] = []
        self.scale = SCALE
        self.version = "1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is expected here."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.open.append(request)
        super().finish_request(request, client_address)

    def die(self) -> None:
        """End as a killed process does: with every connection."""
        self.shutdown()
        self.server_close()
        for connection in self.open:
            with suppress(OSError):  # most are closed already
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append({"path": self.path})
        self.answer(200, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append({"path": self.path, "headers": dict(self.headers)} | json.loads(body))
        self.server.ports.append(self.client_address[1])
        behaviour = self.server.behaviours.pop(0) if self.server.behaviours else "well"
        getattr(self, behaviour)(body)

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def error(self, status: int, message: str, **headers: str) -> None:
        self.answer(status, json.dumps({"error": message}).encode(), **headers)

    def enlarged(self, body: bytes, extra: int = 0) -> bytes:
        image = base64.b64decode(json.loads(body)["inputs"][0]["data"][0])
        color = decode(image).color
        self.server.depths.append(color.dtype.itemsize * 8)
        large = color.repeat(self.server.scale, 0).repeat(self.server.scale, 1)
        large = np.pad(large, ((0, 0), (0, extra), (0, 0)), mode="edge")
        return wire(encode(Picture(color=large), "PNG"), self.server.version, self.server.scale)

    def well(self, body: bytes) -> None:
        if self.path == f"/v2/models/{MODEL}/infer":
            self.answer(200, self.enlarged(body))
        else:
            self.error(404, "No such model; there is nearest_x2")

    def full(self, body: bytes) -> None:
        self.error(503, "16 requests wait already", Retry_After="0")

    def full_for_an_hour(self, body: bytes) -> None:
        self.error(503, "16 requests wait already", Retry_After="3600")

    def bad_gateway(self, body: bytes) -> None:
        self.answer(502, b"<h1>502</h1>", Content_Type="text/html")

    def dropped(self, body: bytes) -> None:
        content = self.enlarged(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def silent(self, body: bytes) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def hanging(self, body: bytes) -> None:
        time.sleep(2)
        self.close_connection = True

    def dribbling(self, body: bytes) -> None:
        content = self.enlarged(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for byte in content[:40]:
            self.wfile.write(bytes([byte]))
            time.sleep(0.05)
        self.close_connection = True

    def html(self, body: bytes) -> None:
        self.answer(200, b"<html>Welcome</html>", Content_Type="text/html")

    def not_found_page(self, body: bytes) -> None:
        self.answer(404, b'{"detail": "Not Found"}')

    def torchserve_unknown_model(self, body: bytes) -> None:
        self.answer(404, b'{"code": 404, "type": "ModelNotFoundException", "message": "Model not found: x"}')

    def torchserve_unknown_route(self, body: bytes) -> None:
        self.answer(404, b'{"code": 404, "type": "ResourceNotFoundException", "message": "Not found"}')

    def wrong_size(self, body: bytes) -> None:
        self.answer(200, self.enlarged(body, extra=2))

    def no_picture(self, body: bytes) -> None:
        self.answer(200, wire(b"GIF89a, or not", "1", SCALE))

    def no_base64(self, body: bytes) -> None:
        content = json.loads(self.enlarged(body))
        content["outputs"][0]["data"] = ["%%%"]
        self.answer(200, json.dumps(content).encode())

    def no_parameters(self, body: bytes) -> None:
        content = json.loads(self.enlarged(body))
        del content["parameters"]
        self.answer(200, json.dumps(content).encode())

    def endless(self, body: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b" " * 65536)

    def redirect(self, body: bytes) -> None:
        self.answer(303, b"", Location=f"{self.server.url}/secret")

    def crash(self, body: bytes) -> None:
        self.error(500, "division by zero")

    def refuse_400(self, body: bytes) -> None:
        self.error(400, "not a picture: got 4 bytes")

    def refuse_413(self, body: bytes) -> None:
        self.error(413, "too large: got 9 pixels, expected at most 4")

    def refuse_422(self, body: bytes) -> None:
        self.error(422, "format: got XCF")


def wire(image: bytes, version: str, scale: int) -> bytes:
    answer = {
        "model_name": MODEL,
        "model_version": version,
        "outputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(image).decode()]}],
        "parameters": {"version": version, "scale": scale, "halo": 3},
    }
    return json.dumps(answer).encode()


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.die()
        thread.join()
