"""Seconds to draw 16 pictures of 32x32 with the naive sampler and with the incremental one, in one run.

The naive one runs the whole network for each of 3,072 subpixels, all of which cost it the same: it is measured on a few
and multiplied.
"""

import time

import numpy as np
import torch

from bench import show
from loupe.drawing import Given
from loupe.models.pixel_recursive import PAPER, SMALL, PixelRecursive
from loupe.sampling import Sampler, draw_naively

PICTURES, SIDE = 16, 8
PIXELS = 2  # that the naive sampler draws: six subpixels
RUNS = 3  # of each, in turn


def main() -> None:
    """Print the table."""
    lr = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    side = SIDE * PAPER.scale
    known = np.arange(side * side).reshape(side, side) < side * side - PIXELS
    given = Given(np.random.default_rng(0).integers(256, size=(side, side, 3), dtype=np.uint8), known)
    rows = []
    for name, config in (("small", SMALL), ("paper", PAPER)):
        torch.manual_seed(0)
        model = PixelRecursive(config).eval()
        sampler = Sampler(model)
        sampler.draw(lr, samples=PICTURES, given=given)  # a warm-up
        quick, naive = [], []
        for _ in range(RUNS):
            begin = time.perf_counter()
            sampler.draw(lr, samples=PICTURES)
            quick.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            draw_naively(model, lr, samples=PICTURES, given=given)
            naive.append((time.perf_counter() - begin) * side * side / PIXELS)
        a, b = sorted(quick)[RUNS // 2], sorted(naive)[RUNS // 2]
        rows.append([name, f"{a:.2f}", f"{b:.0f}", f"{b / a:.0f}"])
    title = f"{PICTURES} pictures of {side}x{side}, {torch.get_num_threads()} threads"
    show(
        title, ["size", "incremental, s", f"naive, s (from {3 * PIXELS} of {3 * side * side} subpixels)", "ratio"], rows
    )


if __name__ == "__main__":
    main()
