"""A bounded line of work: so many at work, so many waiting, and the next one is told to come back later.

    jobs = Jobs(running=2, waiting=32)
    value = await jobs.run(lambda cancelled: work(cancelled))    # Overloaded when the line is full

Whoever stops waiting (``asyncio.CancelledError``) sets ``cancelled``: work in the line never starts, and work
that has started stops at its next look.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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
        if self.count >= self.running + self.waiting:
            raise Overloaded(
                f"{self.running} requests are at work and {self.waiting} wait; try again later",
                retry_after=min(LONGEST_WAIT, self._usual_seconds * self.count / self.running),
            )
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

    def stop(self) -> None:
        """Take no more, drop the line, and stop what is at work at its next look."""
        self.stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self, _: Future[T]) -> None:
        with self._lock:
            self.count -= 1
