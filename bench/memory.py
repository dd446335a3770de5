"""Resident memory of a 24-megapixel photo made twice as large on the CPU, over an interpreter with torch loaded."""

import io
import subprocess
import sys

from PIL import Image

from bench import photo, show

SCRIPT = """
import resource, sys
import numpy as np, torch
from PIL import Image
from bench import engine_backend, photo
from loupe.images import decode, encode
from loupe.upscale import Upscaler

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

data = sys.stdin.buffer.read()
backend = engine_backend(sys.argv[1], "edsr_fast_x2")
backend(np.zeros((1, 3, 16, 16), np.float32))
base = peak()
larger = Upscaler(backend).upscale(decode(data))
joined = peak()
size = len(encode(larger, sys.argv[2]))
print(base, joined, peak(), larger.width, larger.height, size)
"""


def main() -> None:
    """Print the table."""
    jpeg = io.BytesIO()
    Image.fromarray(photo(4000, 6000)).save(jpeg, "JPEG", quality=92)
    rows = []
    for backend in ("torch", "openvino"):
        for kind in ("PNG", "JPEG"):
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, backend, kind], input=jpeg.getvalue(), capture_output=True, check=True
            )
            base, joined, peak, width, height, size = done.stdout.split()
            over = [f"{float(value) - float(base):.0f}" for value in (joined, peak)]
            result = f"{int(width)}x{int(height)} {kind}, {int(size) / 1e6:.0f} MB"
            rows.append([backend, result, f"{float(base):.0f}", *over])
    columns = ["backend", "result", "loaded, MiB", "upscaled, MiB over it", "encoded too, MiB over it"]
    show("Peak resident memory, 6000x4000 JPEG x2, edsr_fast_x2", columns, rows)


if __name__ == "__main__":
    main()
