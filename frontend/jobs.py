"""Jobs: blocking work in a few threads, told as a stream of events, stopped when nobody listens any more.

    async for event in jobs.run(work):   # Waiting ... what the work reports ... Done
        ...

Closing the generator (a dropped connection does) asks the work to stop; its place is given to the next one
only when its thread has really ended. The queue is bounded: beyond it, Overloaded at once.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from loupe.errors import LoupeError, Overloaded

logger = logging.getLogger(__name__)
T = TypeVar("T")
E = TypeVar("E")


@dataclass(frozen=True)
class Waiting:
    """In the queue, with ``ahead`` jobs that start before this one."""

    ahead: int


@dataclass(frozen=True)
class Done(Generic[T]):
    """The work's own return value; the last event."""

    value: T


@dataclass(frozen=True)
class Control(Generic[E]):
    """What the work sees of its job; both are safe to call from its thread."""

    report: Callable[[E], None]
    cancelled: Callable[[], bool]


class Jobs:
    """At most ``slots`` pieces of work at once and ``queue`` waiting, first come first served."""

    def __init__(self, slots: int, queue: int) -> None:
        self._free = slots
        self._queue_size = queue
        self._queue: deque[asyncio.Event] = deque()
        self._pool = ThreadPoolExecutor(max_workers=slots, thread_name_prefix="job")
        self._stops: set[threading.Event] = set()

    @property
    def running(self) -> int:
        """Pieces of work whose thread has not ended."""
        return len(self._stops)

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._queue)

    async def run(self, work: Callable[[Control[E]], T]) -> AsyncGenerator[Waiting | E | Done[T], None]:
        """Yield Waiting each second in the queue, what the work reports while it runs, then Done.

        Raises Overloaded when the queue is full, and whatever the work raises.
        """
        if self._free:
            self._free -= 1
        elif len(self._queue) >= self._queue_size:
            raise Overloaded("all places are taken; try again in a few seconds", retry_after=5)
        else:
            turn = asyncio.Event()
            self._queue.append(turn)
            try:
                while not turn.is_set():
                    yield Waiting(self._queue.index(turn))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(turn.wait(), timeout=1)
            except (GeneratorExit, asyncio.CancelledError):
                self._leave(turn)
                raise
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[E | None] = asyncio.Queue()
        stop = threading.Event()
        self._stops.add(stop)

        def report(event: E) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        def ended(future: asyncio.Future[T]) -> None:
            if not future.cancelled():
                future.exception()  # looked at, so that a stopped job's Cancelled is no "never retrieved"
            self._stops.discard(stop)
            self._release()
            events.put_nowait(None)

        future = loop.run_in_executor(self._pool, work, Control(report, stop.is_set))
        future.add_done_callback(ended)
        try:
            while (event := await events.get()) is not None:
                yield event
            yield Done(_value(future))
        finally:
            stop.set()

    def close(self) -> None:
        """Ask everything to stop; the threads end at their next tile."""
        for stop in self._stops:
            stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        """Give a slot to the first in the queue, or put it back."""
        if self._queue:
            self._queue.popleft().set()
        else:
            self._free += 1

    def _leave(self, turn: asyncio.Event) -> None:
        """Out of the queue; a turn that came at this very moment goes to the next one."""
        if turn.is_set():
            self._release()
        else:
            self._queue.remove(turn)


def _value(future: "asyncio.Future[T]") -> T:
    """What the work returned; a fault of ours (no LoupeError) is logged and told without its inside."""
    error = future.exception()
    if error is not None and not isinstance(error, LoupeError):
        logger.error("a job failed", exc_info=error)
        raise LoupeError("something broke on our side; the server's log has the details") from error
    return future.result()
