import asyncio
import threading
from collections.abc import Callable

import pytest

from loupe.errors import Cancelled, Overloaded
from serving.jobs import Jobs


def test_work_is_done_in_another_thread_and_its_errors_come_back() -> None:
    async def scenario() -> None:
        assert await jobs.run(lambda _: threading.current_thread().name) != threading.current_thread().name
        with pytest.raises(ZeroDivisionError):
            await jobs.run(lambda _: 1 // 0)
        assert jobs.count == 0

    jobs = Jobs(running=1, waiting=0)
    asyncio.run(scenario())
    jobs.stop()


def test_a_full_line_refuses_at_once_and_recovers() -> None:
    async def scenario() -> None:
        release = threading.Event()
        pending = [asyncio.create_task(jobs.run(lambda _: release.wait(10))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="1 requests are at work and 2 wait") as refusal:
            await jobs.run(lambda _: None)
        assert refusal.value.retry_after > 0
        release.set()
        assert await asyncio.gather(*pending) == [True] * 3
        assert await jobs.run(lambda _: "again") == "again"

    jobs = Jobs(running=1, waiting=2)
    asyncio.run(scenario())
    jobs.stop()


def look_until(cancelled: Callable[[], bool], seen: threading.Event) -> None:
    for _ in range(1000):
        if cancelled():
            seen.set()
            raise Cancelled("seen")
        threading.Event().wait(0.01)


def test_whoever_goes_away_stops_the_work_and_leaves_the_line() -> None:
    async def scenario() -> None:
        seen, started = threading.Event(), []
        at_work = asyncio.create_task(jobs.run(lambda cancelled: look_until(cancelled, seen)))
        in_line = asyncio.create_task(jobs.run(lambda _: started.append(1)))
        await asyncio.sleep(0.05)
        in_line.cancel()
        at_work.cancel()
        await asyncio.gather(in_line, at_work, return_exceptions=True)
        assert await asyncio.to_thread(seen.wait, 5)
        await jobs.run(lambda _: None)  # behind both
        assert not started
        assert jobs.count == 0

    jobs = Jobs(running=1, waiting=2)
    asyncio.run(scenario())
    jobs.stop()


def test_stop_ends_what_is_at_work() -> None:
    async def scenario() -> None:
        seen = threading.Event()
        task = asyncio.create_task(jobs.run(lambda cancelled: look_until(cancelled, seen)))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(jobs.stop)
        with pytest.raises(Cancelled):
            await task

    jobs = Jobs(running=1, waiting=0)
    asyncio.run(scenario())
