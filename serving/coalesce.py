"""A Backend whose calls wait for their turn, and are then run together where their shapes agree.

    engine = open_local("edsr_x4", settings)      # in this process, shared by all requests

Requests of many users are in work at once, each in its own thread; the model runs for one of them at a time,
which on a CPU has all cores, and takes along the tiles that others have brought meanwhile, which fills a GPU.
Nobody waits for a batch to fill.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loupe.artists import load_artist
from loupe.backends import Backend, load_backend
from loupe.checkpoint import read_info
from loupe.registry import find_model
from loupe.upscale import Upscaler
from serving.settings import ServingSettings
from serving.workers import Engine

Pixels = NDArray[np.float32]

GPU_BATCH = 8  # tiles of 512: some 3 GB of half-precision features in the widest model that ships


@dataclass(eq=False)
class Call:
    """What one thread asks for, and what it gets."""

    batch: Pixels
    result: Pixels | None = None


class CoalescingBackend:
    """``backend``, at most ``most`` pictures at a time. An error is met by each caller on its own."""

    def __init__(self, backend: Backend, most: int) -> None:
        self.name, self.version = backend.name, backend.version
        self.scale, self.halo = backend.scale, backend.halo
        self._backend = backend
        self._most = most
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._pending: list[Call] = []

    def __call__(self, batch: Pixels) -> Pixels:
        """(N,3,h,w) in [0,1] -> (N,3,h*scale,w*scale) in [0,1]."""
        call = Call(batch)
        with self._lock:
            self._pending.append(call)
        with self._turn:
            if call.result is None:  # else whoever had the turn before took it along
                call.result = self._run(self._take(call))
        return call.result

    def _take(self, call: Call) -> list[Call]:
        """``call``, and those waiting that fit to it."""
        group, room = [call], self._most - len(call.batch)
        with self._lock:
            for other in self._pending:
                if other is not call and other.batch.shape[1:] == call.batch.shape[1:] and len(other.batch) <= room:
                    group.append(other)
                    room -= len(other.batch)
            self._pending = [other for other in self._pending if other not in group]
        return group

    def _run(self, group: list[Call]) -> Pixels:
        """Run a group as one batch, give the others their part, and return the first one's."""
        if len(group) == 1:
            return self._backend(group[0].batch)
        results = self._backend(np.concatenate([call.batch for call in group]))
        ends = np.cumsum([len(call.batch) for call in group])
        first, *rest = np.split(results, ends[:-1])
        for call, part in zip(group[1:], rest, strict=True):
            call.result = part
        return first


def open_local(name: str, settings: ServingSettings) -> Engine:
    """A model in this process, fit to be shared by many requests. Raises ModelNotFound, CheckpointError."""
    return open_shared(find_model(name, settings), settings)


def open_shared(checkpoint: Path, settings: ServingSettings) -> Engine:
    """The same of a file. Raises CheckpointError."""
    if read_info(checkpoint).kind == "sampler":
        return load_artist(checkpoint, settings)
    most = tiles_at_once(settings)
    backend = CoalescingBackend(load_backend(checkpoint, settings, settings.backend), most)
    return Upscaler(backend, tile=settings.tile, batch=most, limits=settings.limits)


def tiles_at_once(settings: ServingSettings) -> int:
    """How many tiles one call of the model takes: on a CPU more than one gains nothing and costs memory."""
    import torch

    return settings.tile_batch or (GPU_BATCH if torch.cuda.is_available() else 1)
