"""Batches of crops. What step 1234 sees is a function of (seed, step) alone.

So there is no sampler state to save: a resumed run asks for its next step, and a run on two ranks sees the same
crops as a run on one, each rank its share.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.pack import Pictures


class Batch(NamedTuple):
    """``lr`` (N,3,h,w) and ``hr`` (N,3,h*r,w*r): uint8, channels last in memory; see ``as_float``."""

    lr: Tensor
    hr: Tensor


def as_float(x: Tensor, device: torch.device) -> Tensor:
    """uint8 on the CPU -> float32 in [0,1] on ``device``; a quarter of the bytes travel."""
    return x.to(device, non_blocking=True).float().div_(255)


def eightfold(crop: NDArray[np.uint8], which: int) -> NDArray[np.uint8]:
    """One of the eight flips and quarter turns of (h,w,3)."""
    if which & 1:
        crop = crop[:, ::-1]
    if which & 2:
        crop = crop[::-1]
    return crop.transpose(1, 0, 2) if which & 4 else crop


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Random aligned crops of a pack: pictures by their number of positions (or by ``weights``), then a position."""

    pack: Pictures
    scale: int
    patch: int  # low-resolution pixels
    batch: int  # over all ranks
    seed: int = 0
    rank: int = 0
    world: int = 1
    weights: tuple[float, ...] | None = None  # per picture, multiplied with its number of positions
    turns: int = 8  # 8: flips and quarter turns, 2: mirrored left to right or not, 1: as they are

    def __post_init__(self) -> None:
        if self.batch % self.world:
            raise ValueError(f"batch: got {self.batch}, expected a multiple of the {self.world} processes")
        if self.scale not in self.pack.scales:
            raise ValueError(f"scale: got {self.scale}, expected one that was packed: {self.pack.scales}")
        if self.weights is not None and len(self.weights) != len(self.pack.entries):
            raise ValueError(f"weights: got {len(self.weights)}, expected one per picture: {len(self.pack.entries)}")
        if not self._positions().any():
            raise ValueError(f"patch: got {self.patch}, expected one that fits a picture of the pack")

    def _positions(self) -> NDArray[np.float64]:
        return np.array(
            [
                max(0, e.height // self.scale - self.patch + 1) * max(0, e.width // self.scale - self.patch + 1)
                for e in self.pack.entries
            ],
            dtype=np.float64,
        )

    def cumulative(self) -> NDArray[np.float64]:
        """Upper ends of the pictures' shares of [0,1)."""
        share = self._positions() * (1.0 if self.weights is None else np.asarray(self.weights))
        return np.cumsum(share / share.sum())

    def at(self, step: int, cumulative: NDArray[np.float64]) -> Batch:
        """The batch of ``step`` (from 0) of this rank."""
        lr_crops, hr_crops = [], []
        share = self.batch // self.world
        for item in range(self.rank * share, (self.rank + 1) * share):
            rng = np.random.Generator(np.random.Philox(key=(self.seed, step), counter=(0, 0, 0, item)))
            index = min(int(np.searchsorted(cumulative, rng.random(), side="right")), len(cumulative) - 1)
            lr, hr = self.pack.picture(index, self.scale), self.pack.picture(index)
            y = int(rng.integers(lr.shape[0] - self.patch + 1))
            x = int(rng.integers(lr.shape[1] - self.patch + 1))
            turn = int(rng.integers(self.turns))
            lr_crops.append(eightfold(lr[y : y + self.patch, x : x + self.patch], turn))
            r = self.scale
            hr_crop = hr[y * r : (y + self.patch) * r, x * r : (x + self.patch) * r]
            hr_crops.append(eightfold(hr_crop, turn))
        return Batch(
            torch.from_numpy(np.stack(lr_crops)).permute(0, 3, 1, 2),
            torch.from_numpy(np.stack(hr_crops)).permute(0, 3, 1, 2),
        )


def load_steps(crops: Crops, first: int, last: int, *, workers: int, pin: bool) -> Iterator[Batch]:
    """The batches of steps ``first`` up to ``last``, in order, made ahead of time by ``workers`` threads.

    Threads, since cutting crops is copying memory, which holds no lock: nothing is pickled or sent between processes.
    ``pin``: page-locked, so that the copy to a GPU runs beside the computation.
    """
    cumulative = crops.cumulative()

    def make(step: int) -> Batch:
        batch = crops.at(step, cumulative)
        return Batch(batch.lr.pin_memory(), batch.hr.pin_memory()) if pin else batch

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="crops") as pool:
        ahead: deque[Future[Batch]] = deque()
        for step in range(first, last):
            ahead.append(pool.submit(make, step))
            if len(ahead) > 4 * max(1, workers):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
