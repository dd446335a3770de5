"""Upscales a picture through each model's endpoint, and through the page. Run by `helm test`.

python try_models.py http://{model}-predictor.ml.svc.cluster.local edsr_fast_x4 edsr_fast_x2 [--page http://loupe-web]
"""

import argparse
import io
import json
import sys
import time

import httpx
import numpy as np
from PIL import Image

from loupe.errors import BackendUnavailable, LoupeError, Overloaded
from loupe.images import decode
from loupe.remote import RemoteBackend
from loupe.upscale import Upscaler

LEAST = 24.0  # dB against the same picture drawn larger; a gradient with an edge reaches 30 and more


def draw(side: int) -> np.ndarray:
    """(side, side, 3): a gradient in two colours with an edge across it, the same at every size."""
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side
    edge = (x + y > 1) * 0.5
    return np.asarray(np.rint(255 * np.stack([x / 2 + edge, y / 2 + edge, (1 - x) / 2 + edge], -1)), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """Encoded."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def judge(who: str, got: np.ndarray, scale: int) -> None:
    """Say how good it is; exit with 1 if it is not what was asked for."""
    expected = draw(64 * scale)
    if got.shape != expected.shape:
        sys.exit(f"{who}: got {got.shape}, expected {expected.shape}")
    error = float(np.mean((got.astype(float) - expected) ** 2))
    quality = 10 * np.log10(255**2 / max(error, 1e-9))
    print(f"{who}: {got.shape[1]}x{got.shape[0]}, {quality:.1f} dB")
    if quality < LEAST:
        sys.exit(f"{who}: got {quality:.1f} dB, expected {LEAST} or more: that is another picture")


def try_model(url: str, model: str, seconds: float) -> int:
    """Through the endpoint; returns the factor."""
    end = time.monotonic() + seconds
    while True:
        try:
            with RemoteBackend(url, model) as backend:
                larger = Upscaler(backend).upscale(decode(png(draw(64))))
                judge(model, larger.color, backend.scale)
                return backend.scale
        except (BackendUnavailable, Overloaded) as error:  # it may still be starting
            if time.monotonic() > end:
                sys.exit(f"{model}: {error}")
            time.sleep(2)
        except LoupeError as error:
            sys.exit(f"{model}: {error}")


def try_page(page: str, model: str, scale: int) -> None:
    """Through the page's API: events, the last of which has the result's address."""
    files = {"file": ("test.png", png(draw(64)), "image/png")}
    answer = httpx.post(f"{page}/api/upscale", files=files, data={"model": model}, timeout=120, trust_env=False)
    if answer.status_code != 200:
        sys.exit(f"page: {answer.status_code} {answer.text[:300]}")
    last = json.loads(answer.text.splitlines()[-1])
    if last["type"] != "result":
        sys.exit(f"page: {last}")
    result = httpx.get(f"{page}{last['url']}", timeout=60, trust_env=False)
    judge("page", np.asarray(Image.open(io.BytesIO(result.content)).convert("RGB")), scale)


def main() -> None:
    """Parse, then try each."""
    parser = argparse.ArgumentParser(description="Upscale a picture through each model's endpoint and the page.")
    parser.add_argument("url")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--page")
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    scales = {model: try_model(options.url, model, options.seconds) for model in options.models}
    if options.page and options.models:
        try_page(options.page.rstrip("/"), options.models[0], scales[options.models[0]])


if __name__ == "__main__":
    main()
