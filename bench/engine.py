"""Seconds per output megapixel of every recipe's network, in process, tiles and halo included."""

import functools
from collections.abc import Callable

from PIL import Image

from bench import engine_backend, in_turn, photo, show
from loupe.images import Picture
from loupe.upscale import Upscaler

MODELS = ("edsr_fast_x2", "edsr_fast_x4", "edsr_light_x4", "edsr_x2", "edsr_x4")
SIDE = 1600  # pixels of the result


def main() -> None:
    """Print the table."""
    rows = []
    for name in MODELS:
        backends = {kind: engine_backend(kind, name) for kind in ("torch", "openvino")}
        scale = backends["torch"].scale
        lr = photo(SIDE // scale, SIDE // scale)
        picture, pillow = Picture(color=lr), Image.fromarray(lr)
        upscalers = {kind: Upscaler(backend) for kind, backend in backends.items()}
        calls: dict[str, Callable[[], object]] = {
            kind: functools.partial(upscaler.upscale, picture) for kind, upscaler in upscalers.items()
        }
        calls["bicubic"] = functools.partial(pillow.resize, (SIDE, SIDE), Image.Resampling.BICUBIC)
        seconds = in_turn(calls, runs=3 if name in ("edsr_x2", "edsr_x4") else 7)
        megapixels = SIDE * SIDE / 1e6
        rows.append([name, *(f"{seconds[kind] / megapixels:.3f}" for kind in ("torch", "openvino", "bicubic"))])
    title = f"Seconds per output megapixel, {SIDE}x{SIDE} result, in process"
    show(title, ["model", "torch", "openvino", "Pillow bicubic"], rows)


if __name__ == "__main__":
    main()
