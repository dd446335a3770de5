import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.coalesce import CoalescingBackend

Pixels = NDArray[np.float32]


class Doubling:
    """A backend of factor 2 that takes its time, and keeps the sizes of its batches."""

    name, version, scale, halo = "doubling", "1", 2, 0

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.at_once = 0
        self.release = threading.Event()

    def __call__(self, batch: Pixels) -> Pixels:
        self.at_once += 1
        assert self.at_once == 1
        self.release.wait(10)
        self.sizes.append(len(batch))
        self.at_once -= 1
        if (batch < 0).any():
            raise FloatingPointError("below zero")
        return batch.repeat(2, axis=2).repeat(2, axis=3)


def run_together(backend: CoalescingBackend, slow: Doubling, batches: list[Pixels]) -> list[object]:
    """The first call has its turn; the others come while it runs."""

    def call(batch: Pixels) -> object:
        try:
            return backend(batch)
        except FloatingPointError as error:
            return error

    with ThreadPoolExecutor(len(batches)) as pool:
        first = pool.submit(call, batches[0])
        while not slow.at_once:
            time.sleep(0.001)
        rest = [pool.submit(call, batch) for batch in batches[1:]]
        while len(backend._pending) < len(rest):
            time.sleep(0.001)
        slow.release.set()
        return [future.result() for future in (first, *rest)]


def full(value: float, count: int = 1, side: int = 4) -> Pixels:
    return np.full((count, 3, side, side), value, np.float32)


def test_calls_that_wait_are_run_together_and_get_their_own() -> None:
    slow = Doubling()
    batches = [full(0.1), full(0.2), full(0.3, 2), full(0.4)]
    results = run_together(CoalescingBackend(slow, 8), slow, batches)
    assert slow.sizes == [1, 4]
    for batch, result in zip(batches, results, strict=True):
        assert np.array_equal(result, batch.repeat(2, axis=2).repeat(2, axis=3))


def test_no_batch_is_larger_than_allowed_and_shapes_are_kept_apart() -> None:
    slow = Doubling()
    batches = [full(0.1), full(0.2), full(0.3), full(0.4), full(0.5, side=6)]
    results = run_together(CoalescingBackend(slow, 2), slow, batches)
    assert sorted(slow.sizes) == [1, 1, 1, 2]
    assert [result.shape[2] for result in results] == [8, 8, 8, 8, 12]  # type: ignore[attr-defined]


def test_an_error_is_met_by_the_one_who_caused_it_alone() -> None:
    slow = Doubling()
    results = run_together(CoalescingBackend(slow, 8), slow, [full(0.1), full(-1.0), full(0.3)])
    assert isinstance(results[1], FloatingPointError)
    assert isinstance(results[0], np.ndarray)
    assert isinstance(results[2], np.ndarray)


def test_it_is_the_backend_it_stands_for() -> None:
    backend = CoalescingBackend(Doubling(), 1)
    assert (backend.name, backend.version, backend.scale, backend.halo) == ("doubling", "1", 2, 0)


@pytest.mark.parametrize("count", [1, 3])
def test_a_lone_call_waits_for_nobody(count: int) -> None:
    slow = Doubling()
    slow.release.set()
    assert CoalescingBackend(slow, 2)(full(0.5, count)).shape == (count, 3, 8, 8)
