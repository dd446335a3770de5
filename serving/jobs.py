"""A bounded line of work: so many at work, so many waiting, and the next one is told to come back later.

    jobs = Jobs(running=2, waiting=32)
    value = await jobs.run(lambda cancelled: work(cancelled))    # Overloaded when the line is full

Whoever stops waiting (``asyncio.CancelledError``) sets ``cancelled``: work in the line never starts, and work
that has started stops at its next look.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from loupe.errors import Overloaded

T = TypeVar("T")
Cancellable = Callable[[Callable[[], bool]], T]

LONGEST_WAIT = 60.0  # seconds; a client told to wait longer than this had better ask another server


class Jobs:
    """The threads that do the work of one process. Use from one event loop."""

    def __init__(self, *, running: int, waiting: int) -> None:
        self.running = running
        self.waiting = waiting
        self.count = 0  # at work and in the line
        self._lock = threading.Lock()
        self._usual_seconds = 1.0
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=running, thread_name_prefix="job")

    async def run(self, work: Cancellable[T]) -> T:
        """Do ``work`` in a thread. Raises Overloaded at once if the line is full, or what ``work`` raises."""
        self.check_room()
        gone = threading.Event()

        def timed() -> T:
            start = time.monotonic()
            try:
                return work(lambda: gone.is_set() or self.stopping.is_set())
            finally:
                self._usual_seconds += 0.2 * (time.monotonic() - start - self._usual_seconds)

        with self._lock:
            self.count += 1
        future = self._pool.submit(timed)
        future.add_done_callback(self._release)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            gone.set()
            raise

    def check_room(self) -> None:
        """Raise Overloaded if the line is full now."""
        if self.count >= self.running + self.waiting:
            raise Overloaded(
                f"{self.running} requests are at work and {self.waiting} wait; try again later",
                retry_after=self.seconds_to_wait(),
            )

    def seconds_to_wait(self) -> float:
        """A guess at when there will be room, from how long requests took of late."""
        return min(LONGEST_WAIT, self._usual_seconds * max(1, self.count) / self.running)

    def stop(self) -> None:
        """Take no more, drop the line, and stop what is at work at its next look."""
        self.stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self, _: Future[T]) -> None:
        with self._lock:
            self.count -= 1


class Budget:
    """Bytes of requests in memory at once: a line of small ones may be long, of large ones not."""

    def __init__(self, total: int, jobs: Jobs) -> None:
        self.total = total
        self.used = 0
        self._jobs = jobs

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """One request's share: a function that takes so many bytes more, or raises Overloaded."""
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            self._jobs.check_room()
            if self.used + count > self.total:
                raise Overloaded(
                    f"{self.used} bytes of other requests are waiting; try again later",
                    retry_after=self._jobs.seconds_to_wait(),
                )
            self.used += count
            taken += count

        try:
            yield take
        finally:
            self.used -= taken
