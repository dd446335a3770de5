"""Signals to stop, noted rather than thrown: an exception could come in the middle of cleaning up.

with catch_stop() as stop:
    stop.pause(2.0)     # raises Cancelled as soon as a signal has come
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from loupe.errors import Cancelled

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class Stop:
    """``got`` is the last signal that came, or 0; ``act`` is called for each."""

    got: int = 0
    act: Callable[[], None] | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.got = number
        if self.act:
            self.act()

    def check(self) -> None:
        """Raise Cancelled if a signal has come."""
        if self.got:
            raise Cancelled(f"Training was stopped by {signal.Signals(self.got).name}; started again it resumes")

    def pause(self, seconds: float) -> None:
        """Sleep, no longer than until a signal comes."""
        end = time.monotonic() + seconds
        self.check()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            self.check()


@contextmanager
def catch_stop() -> Iterator[Stop]:
    """Only a process's main thread gets signals; in others this waits for none."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
