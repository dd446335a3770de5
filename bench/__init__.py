"""Measurements, each a table: ``python -m bench.engine``, or all by ``make bench``. Never part of the tests.

Machines are noisy: every figure is a median of several runs, and what is compared is measured in turn, in one process.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import skimage.data
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from loupe.backends import OpenVINOBackend, TorchBackend
from loupe.checkpoint import build_model, describe, load_model
from loupe.registry import find_models
from loupe.settings import Settings
from training.recipes import RECIPES

console = Console(highlight=False)


def photo(height: int, width: int) -> NDArray[np.uint8]:
    """(height,width,3) of scikit-image's astronaut, repeated as often as needed."""
    tile = np.asarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]
    rows, columns = -(-height // tile.shape[0]), -(-width // tile.shape[1])
    return np.ascontiguousarray(np.tile(tile, (rows, columns, 1))[:height, :width])


def in_turn(candidates: dict[str, Callable[[], object]], runs: int = 5) -> dict[str, float]:
    """Median seconds of each; one warm-up, then A B C A B C ..., so that drift hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for run in range(runs + 1):
        for name, call in candidates.items():
            begin = time.perf_counter()
            call()
            if run:
                seconds[name].append(time.perf_counter() - begin)
    return {name: median(values) for name, values in seconds.items()}


def engine_backend(kind: str, name: str) -> TorchBackend | OpenVINOBackend:
    """A backend of a recipe's network: with the weights that ship, else fresh ones, which are as fast."""
    path = find_models(Settings()).get(name)
    if path:
        model, info = load_model(path)
    else:
        recipe = RECIPES[name]()
        model = build_model(recipe.architecture, recipe.config)
        info = describe(model, name=name, architecture=recipe.architecture, scale=recipe.scale)
    return OpenVINOBackend(model, info) if kind == "openvino" else TorchBackend(model, info, device="cpu")


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print one table."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()
