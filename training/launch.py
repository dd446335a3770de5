"""Training on this machine, over several processes: ``torchrun -m training ...`` as a child.

    launch_local(["--recipe", "edsr_x4", "--data", "photos/"], processes=2)

What it prints comes through line by line. A signal to stop is passed on, and nothing returns before the child is gone:
torchrun stops its workers, which are in sessions of their own and could not be reached otherwise.
"""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from loupe.errors import InvalidOption, LoupeError
from training.stopping import Stop, catch_stop

TAIL = 20  # lines of output in the error
# Where torchrun begins to tell of a failure, 40 lines that say less than those of the workers before them.
TORCHRUN = re.compile(r"[WE]\d{4} [\d:.]+ \d+ .*torch/distributed/elastic/")


class TrainingFailed(LoupeError):
    """The training ended with an error; its last lines are in the message."""

    exit_code = 24


def launch_local(arguments: Sequence[str], *, processes: int = 1) -> None:
    """Run ``python -m training`` with ``arguments`` and wait. Raises InvalidOption, TrainingFailed, Cancelled."""
    if processes < 1:
        raise InvalidOption(f"processes: got {processes}, expected 1 or more")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    last: deque[str] = deque(maxlen=TAIL)
    over = False
    command = [*torchrun, "-m", "training", *arguments]
    with catch_stop() as stop, _running(command, environment(processes), stop) as child:
        assert child.stdout is not None  # noqa: S101  # for mypy
        for line in child.stdout:
            if not (over := over or TORCHRUN.match(line) is not None):
                last.append(line.rstrip())
            sys.stdout.write(line)
            sys.stdout.flush()
        code = child.wait()
    stop.check()
    if code:
        raise TrainingFailed(f"training: got exit code {code}, expected 0. Its last lines:\n" + "\n".join(last))


def environment(processes: int) -> dict[str, str]:
    """Ours, with the cores shared out, unless OMP_NUM_THREADS says otherwise, and output that is not held back."""
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    return {"OMP_NUM_THREADS": str(threads)} | os.environ | {"PYTHONUNBUFFERED": "1"}


@contextmanager
def _running(command: list[str], env: dict[str, str], stop: Stop) -> Iterator["subprocess.Popen[str]"]:
    """The child; on the way out, whatever the reason, it is gone."""
    child = subprocess.Popen(  # noqa: S603  # our own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        text=True,
        errors="replace",
        process_group=0,  # Ctrl-C reaches us alone, and is passed on once
    )
    stop.act = child.terminate
    try:
        if stop.got:  # between the handler and the child
            child.terminate()
        yield child
    finally:
        if child.stdout:
            child.stdout.close()  # a child that writes to nobody does not wait
        if child.poll() is None:
            child.terminate()
            child.wait()
