"""The life of one picture: cut into tiles, run, join. The same code over every Backend.

    larger = Upscaler(backend).upscale(picture, progress=print)

Tiles are windows of one size, each with a halo of real surroundings, so that the joined picture is the one that
the model would make of the whole. Only the tiles in work are floats: beside the two pictures, memory is bounded by the
tile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np

from loupe import __version__
from loupe.alpha import fill_under
from loupe.backends import Backend, Pixels
from loupe.colour import Samples
from loupe.errors import Cancelled, InvalidOption, PictureTooLarge
from loupe.images import Picture
from loupe.resize import resize
from loupe.settings import Limits


@dataclass(frozen=True)
class Progress:
    """Tiles done of the total; the alpha plane's tiles count too."""

    done: int
    total: int


@dataclass(frozen=True)
class Span:
    """Along one side: the window that the model sees, and the part of it that is kept, in low-resolution pixels."""

    window: slice
    core: slice


@dataclass(frozen=True)
class Tile:
    """A window of a plane (color or alpha) and its part that is kept."""

    source: Samples  # (H,W,C)
    target: Samples  # (H*scale,W*scale,C)
    rows: Span
    columns: Span


def spans(length: int, tile: int, halo: int) -> list[Span]:
    """Cover ``length`` with equal windows of at most tile + 2 halo, their cores of at most ``tile`` side by side.

    At the picture's border a window is moved inward rather than cut, so that all are of one size and can be batched.
    """
    count = -(-length // tile)
    core = -(-length // count)
    window = min(length, core + halo * min(count - 1, 2))  # the first and the last need a halo on one side only
    result = []
    for begin in range(0, length, core):
        start = min(max(0, begin - halo), length - window)
        result.append(Span(slice(start, start + window), slice(begin, min(begin + core, length))))
    return result


class Upscaler:
    """Enlarges pictures by ``backend``. Holds no picture between calls; may be used from several threads.

    ``tile``: low-resolution side of a tile without its halo. ``batch``: tiles in one call of the backend (a GPU wants
    several). ``workers``: calls at once (a server behind HTTP wants several).
    """

    def __init__(
        self, backend: Backend, *, tile: int = 256, batch: int = 1, workers: int = 1, limits: Limits | None = None
    ) -> None:
        for name, value in (("tile", tile), ("batch", batch), ("workers", workers)):
            if value < 1:
                raise InvalidOption(f"{name}: got {value}, expected 1 or more")
        self.backend, self.tile, self.batch, self.workers = backend, tile, batch, workers
        self.limits = limits or Limits()

    @property
    def provenance(self) -> str:
        """What made a result: for its Software tag, so that nobody takes what a model added for what a camera saw."""
        backend = self.backend
        return f"Loupe {__version__} {backend.name} version {backend.version} x{backend.scale}"

    def upscale(
        self,
        picture: Picture,
        *,
        width: int | None = None,
        height: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Picture:
        """``backend.scale`` times larger, or exactly ``width`` x ``height`` (one of them keeps the proportions).

        The exact size is reached by a good downscale after the factor, so it may not exceed it. Raises PictureTooLarge
        before any work, InvalidOption, Cancelled between two tiles, and what the backend raises.
        """
        scale = self.backend.scale
        full = (picture.height * scale, picture.width * scale)
        if full[0] * full[1] > self.limits.max_pixels_out:
            raise PictureTooLarge(
                f"result: {full[1]}x{full[0]} is {full[0] * full[1]} pixels, expected at most "
                f"{self.limits.max_pixels_out}; use a smaller factor or a smaller picture"
            )
        size = final_size(picture, scale, width, height)
        color, alpha = picture.color, picture.alpha
        if alpha is not None:
            color = fill_under(color, alpha)
        planes = [(color, np.empty((*full, color.shape[2]), color.dtype))]
        if alpha is not None:
            planes.append((alpha[:, :, None], np.empty((*full, 1), alpha.dtype)))
        tiles = [tile for source, target in planes for tile in self._tiles(source, target)]
        self._run(tiles, progress, cancelled or (lambda: False))
        larger = replace(picture, color=planes[0][1], alpha=planes[1][1][:, :, 0] if alpha is not None else None)
        return larger if size == full else resize(larger, size[1], size[0])

    def _tiles(self, source: Samples, target: Samples) -> Iterator[Tile]:
        rows = spans(source.shape[0], self.tile, self.backend.halo)
        columns = spans(source.shape[1], self.tile, self.backend.halo)
        return (Tile(source, target, row, column) for row in rows for column in columns)

    def _run(
        self, tiles: list[Tile], progress: Callable[[Progress], None] | None, cancelled: Callable[[], bool]
    ) -> None:
        """Run all tiles; results are written as they come, so at most ``workers`` batches are floats at a time."""
        groups = deque(_batches(tiles, self.batch))
        done = 0
        if progress:
            progress(Progress(0, len(tiles)))
        with ThreadPoolExecutor(self.workers, thread_name_prefix="tiles") as pool:
            running: dict[Future[None], int] = {}
            try:
                while groups or running:
                    if cancelled():
                        raise Cancelled(f"stopped after {done} of {len(tiles)} tiles")
                    while groups and len(running) < self.workers:
                        group = groups.popleft()
                        running[pool.submit(self._enlarge, group)] = len(group)
                    finished, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)  # to look at cancelled()
                    for future in finished:
                        future.result()
                        done += running.pop(future)
                    if progress and finished:
                        progress(Progress(done, len(tiles)))
            finally:
                for future in running:
                    future.cancel()

    def _enlarge(self, group: list[Tile]) -> None:
        """One call of the backend, or none for tiles of one plain value (an opaque part of an alpha plane)."""
        if all(_is_plain(tile) for tile in group):
            for tile in group:
                _write(tile, self.backend.scale, None)
            return
        batch = np.stack([_read(tile) for tile in group])  # (N,3,h,w)
        for tile, result in zip(group, self.backend(batch), strict=True):
            _write(tile, self.backend.scale, result)


def final_size(picture: Picture, scale: int, width: int | None, height: int | None) -> tuple[int, int]:
    """(height, width) of the result. InvalidOption when asked for more than the factor gives."""
    largest_height, largest_width = picture.height * scale, picture.width * scale
    if width is None and height is None:
        return largest_height, largest_width
    for name, got, most in (("width", width, largest_width), ("height", height, largest_height)):
        if got is not None and not 1 <= got <= most:
            raise InvalidOption(f"{name}: got {got}, expected 1 to {most} ({scale} times the picture's)")
    if width is None and height is not None:
        width = max(1, round(picture.width * height / picture.height))
    elif height is None and width is not None:
        height = max(1, round(picture.height * width / picture.width))
    return height or largest_height, width or largest_width


def _batches(tiles: list[Tile], most: int) -> Iterator[list[Tile]]:
    """Neighbouring tiles of the same plane, whose windows are all of one size."""
    for begin in range(0, len(tiles), most):
        group = tiles[begin : begin + most]
        same = [tile for tile in group if tile.source is group[0].source]
        other = [tile for tile in group if tile.source is not group[0].source]
        yield from (part for part in (same, other) if part)


def _is_plain(tile: Tile) -> bool:
    if tile.source.shape[2] != 1:
        return False
    window = tile.source[tile.rows.window, tile.columns.window]
    return bool((window == window.flat[0]).all())


def _read(tile: Tile) -> Pixels:
    """(3,h,w) float32 in [0,1]; gray is repeated."""
    window = tile.source[tile.rows.window, tile.columns.window]  # (h,w,1 or 3)
    x = window.transpose(2, 0, 1).astype(np.float32) / np.float32(np.iinfo(window.dtype).max)
    return np.repeat(x, 3, axis=0) if x.shape[0] == 1 else x


def _write(tile: Tile, scale: int, result: Pixels | None) -> None:
    """Put the core of ``result`` (3,h*scale,w*scale) into its place; None stands for the window's one value."""
    target = tile.target[_times(tile.rows.core, scale), _times(tile.columns.core, scale)]
    if result is None:
        target[:] = tile.source[tile.rows.core.start, tile.columns.core.start]
        return
    top = (tile.rows.core.start - tile.rows.window.start) * scale
    left = (tile.columns.core.start - tile.columns.window.start) * scale
    core = result[:, top : top + target.shape[0], left : left + target.shape[1]]
    if target.shape[2] == 1:
        core = core.mean(axis=0, keepdims=True)  # gray in, gray out: whatever tint the model gives is averaged away
    most = np.float32(np.iinfo(target.dtype).max)
    target[:] = (core * most + np.float32(0.5)).clip(0, most).transpose(1, 2, 0)  # truncation rounds, halves up


def _times(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)
