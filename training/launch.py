"""Training on this machine, over several processes: ``torchrun -m training ...`` as a child.

    launch_local(["--recipe", "edsr_x4", "--data", "photos/"], processes=2)

What it prints comes through line by line. A signal to stop is passed on, and nothing returns before the child is gone:
torchrun stops its workers, which are in sessions of their own and could not be reached otherwise.
"""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from loupe.errors import Cancelled, InvalidOption, LoupeError

TAIL = 20  # lines of output in the error
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TrainingFailed(LoupeError):
    """The training ended with an error; its last lines are in the message."""

    exit_code = 13


def launch_local(arguments: Sequence[str], *, processes: int = 1) -> None:
    """Run ``python -m training`` with ``arguments`` and wait. Raises InvalidOption, TrainingFailed, Cancelled."""
    if processes < 1:
        raise InvalidOption(f"processes: got {processes}, expected 1 or more")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    child = subprocess.Popen(
        [*torchrun, "-m", "training", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(processes),
        text=True,
        errors="replace",
        process_group=0,  # Ctrl-C reaches us alone, and is passed on once
    )
    last: deque[str] = deque(maxlen=TAIL)
    with _ended(child), _passed_on(child) as got:
        assert child.stdout is not None  # noqa: S101  # for mypy
        for line in child.stdout:
            last.append(line.rstrip())
            sys.stdout.write(line)
            sys.stdout.flush()
        code = child.wait()
    if got:
        raise Cancelled(f"Training was stopped by {signal.Signals(got[0]).name}; started again it resumes")
    if code:
        raise TrainingFailed(f"training: got exit code {code}, expected 0. Its last lines:\n" + "\n".join(last))


def environment(processes: int) -> dict[str, str]:
    """Ours, with the cores shared out, unless OMP_NUM_THREADS says otherwise, and output that is not held back."""
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    return {"OMP_NUM_THREADS": str(threads)} | os.environ | {"PYTHONUNBUFFERED": "1"}


@contextmanager
def _ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """On the way out, whatever the reason, the child is gone."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        if child.stdout:
            child.stdout.close()


@contextmanager
def _passed_on(child: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Signals to stop go to the child; the list holds those that came. Only a process's main thread gets any."""
    got: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        got.append(number)
        child.send_signal(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield got
        return
    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
