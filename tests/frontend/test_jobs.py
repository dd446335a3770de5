"""The queue of jobs, with real threads."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest

from frontend.jobs import Control, Done, Jobs, Waiting
from loupe.errors import Cancelled, LoupeError, NotAPicture, Overloaded
from loupe.upscale import Progress

Events = AsyncGenerator[Waiting | Progress | Done[str]]


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main(), timeout=20)

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_work_is_told_as_it_happens() -> None:
    def work(control: Control) -> str:
        for done in range(3):
            control.report(Progress(done, 2))
        return "whole"

    async def main() -> None:
        jobs = Jobs(slots=1, queue=0)
        told = [event async for event in jobs.run(work)]
        assert told == [Progress(0, 2), Progress(1, 2), Progress(2, 2), Done("whole")]
        assert (jobs.running, jobs.waiting) == (0, 0)
        jobs.close()

    run(main)


@pytest.mark.parametrize(("fault", "seen"), [(NotAPicture("no"), NotAPicture), (MemoryError(), LoupeError)])
def test_errors_of_the_work_reach_the_listener(fault: Exception, seen: type[LoupeError]) -> None:
    def work(_: Control) -> str:
        raise fault

    async def main() -> None:
        jobs = Jobs(slots=1, queue=0)
        with pytest.raises(seen):
            await anext(jobs.run(work))
        jobs.close()

    run(main)


def test_the_queue_is_bounded_and_first_come_first_served() -> None:
    go = threading.Event()
    order: list[str] = []

    def work(name: str) -> Callable[[Control], str]:
        def named(control: Control) -> str:
            control.report(Progress(0, 1))
            go.wait(10)
            order.append(name)
            return name

        return named

    async def main() -> None:
        jobs = Jobs(slots=1, queue=2)
        first, second, third = (jobs.run(work(name)) for name in ("first", "second", "third"))
        assert await anext(first) == Progress(0, 1)
        assert await anext(second) == Waiting(0)
        assert await anext(third) == Waiting(1)
        with pytest.raises(Overloaded):
            await anext(jobs.run(work("fourth")))
        go.set()
        await asyncio.gather(*(drain(events) for events in (third, second, first)))
        assert order == ["first", "second", "third"]
        jobs.close()

    run(main)


def test_leaving_stops_the_work_and_frees_its_place_only_then() -> None:
    stopping = threading.Event()
    may_end = threading.Event()

    def work(control: Control) -> str:
        control.report(Progress(0, 1))
        while not control.cancelled():
            threading.Event().wait(0.01)
        stopping.set()
        may_end.wait(10)
        raise Cancelled("stopped")

    async def main() -> None:
        jobs = Jobs(slots=1, queue=1)
        async with aclosing(jobs.run(work)) as events:
            await anext(events)
        await until(stopping.is_set)
        next_one = jobs.run(lambda _: "next")
        assert await anext(next_one) == Waiting(0)
        may_end.set()
        assert (await drain(next_one))[-1] == Done("next")
        jobs.close()

    run(main)


def test_leaving_the_queue_leaves_no_gap() -> None:
    go = threading.Event()

    async def main() -> None:
        jobs = Jobs(slots=1, queue=2)
        running = asyncio.ensure_future(drain(jobs.run(lambda _: str(go.wait(10)))))
        await until(lambda: jobs.running == 1)
        async with aclosing(jobs.run(lambda _: "gone")) as leaver:
            assert await anext(leaver) == Waiting(0)
            patient = jobs.run(lambda _: "patient")
            assert await anext(patient) == Waiting(1)
        assert jobs.waiting == 1
        go.set()
        assert (await drain(patient))[-1] == Done("patient")
        await running
        assert (jobs.running, jobs.waiting) == (0, 0)
        jobs.close()

    run(main)


async def drain(events: Events) -> list[Waiting | Progress | Done[str]]:
    return [event async for event in events]
