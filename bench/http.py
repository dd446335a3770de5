"""What HTTP adds: the same bytes in and the same bytes out, in process and through both real servers.

One picture a request, in turn, so that all see the same machine. TorchServe is asked by itself and through the
transformer that ``RUNTIME=torchserve`` puts before it. ``tiles`` is what the page and ``loupe upscale
--backend http://...`` do: the picture cut here, each tile a request.
"""

import base64
import functools
import io
import sys
from collections.abc import Callable

import httpx
from PIL import Image

from bench import engine_backend, in_turn, photo, show
from bench.servers import free_port, server
from loupe.images import decode, encode
from loupe.remote import RemoteBackend
from loupe.upscale import Upscaler

MODELS = ("edsr_fast_x4", "edsr_light_x4")
SIDE = 250  # x4: a result of one megapixel


def local(upscaler: Upscaler, data: bytes) -> bytes:
    """Bytes to bytes in this process."""
    return encode(upscaler.upscale(decode(data)), "PNG")


def post(client: httpx.Client, url: str, data: bytes) -> bytes:
    """Bytes to bytes through a server: Open Inference Protocol v2."""
    encoded = base64.b64encode(data).decode()
    body = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [encoded]}]}
    response = client.post(url, json=body).raise_for_status()
    return base64.b64decode(response.json()["outputs"][0]["data"][0])


def main() -> None:
    """Print the table, for the engine named on the command line (openvino)."""
    engine = sys.argv[1] if len(sys.argv) > 1 else "openvino"
    png = io.BytesIO()
    Image.fromarray(photo(512, 512)[100 : 100 + SIDE, 130 : 130 + SIDE]).save(png, "PNG")
    data = png.getvalue()
    rows = []
    settings = {"LOUPE_SERVE_MODELS": ",".join(MODELS), "LOUPE_BACKEND": engine}
    behind = f"http://127.0.0.1:{(port := free_port())}"
    torchserve = settings | {"arguments": "--runtime torchserve", "LOUPE_PREDICTOR_PORT": str(port)}
    with (
        server("serving", "/v2/health/ready", **settings) as (embedded, _),
        server("serving", "/v2/health/ready", **torchserve) as (front, _),
        httpx.Client(timeout=60) as client,
    ):
        for model in MODELS:
            path = f"/v2/models/{model}/infer"
            upscaler = Upscaler(engine_backend(engine, model), tile=512)
            with RemoteBackend(embedded, model) as remote:
                tiled = Upscaler(remote, tile=256, workers=2)
                calls: dict[str, Callable[[], object]] = {
                    "local": functools.partial(local, upscaler, data),
                    "embedded": functools.partial(post, client, embedded + path, data),
                    "torchserve": functools.partial(post, client, behind + path, data),
                    "front": functools.partial(post, client, front + path, data),
                    "tiles": functools.partial(local, tiled, data),
                }
                seconds = in_turn(calls, runs=25)
            base = seconds["local"]
            over = (f"{seconds[kind] * 1000:.0f} ({seconds[kind] / base - 1:+.0%})" for kind in list(calls)[1:])
            rows.append([model, f"{base * 1000:.0f}", *over])
    columns = [
        "model",
        "in process, ms",
        "embedded server",
        "TorchServe",
        "transformer + TorchServe",
        "embedded, by tiles",
    ]
    show(f"PNG of {SIDE}x{SIDE} in, PNG of 1 megapixel out, {engine}", columns, rows)


if __name__ == "__main__":
    main()
