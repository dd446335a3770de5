"""A pipeline, or one component, on this machine: each step is a process of this Python; no Docker and no cluster.

with local_runner(Path("runs/pipelines")):
    prepare_data(data="photos/")
"""

import builtins
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp import local


@contextmanager
def local_runner(root: Path) -> Iterator[None]:
    """Inside, calling a pipeline or a component runs it; each run's artifacts are in a folder of ``root``.

    A failed step raises RuntimeError, after its own message was printed. kfp keeps the runner for the whole process.
    """
    with warnings.catch_warnings():
        # kfp takes an image without "python" in its name for one without our packages; this Python has them.
        warnings.filterwarnings("ignore", "You may be attemping to run a task", RuntimeWarning)
        # Cores and memory are for a cluster.
        warnings.filterwarnings("ignore", "Task .* have no effect in the current local runner", UserWarning)
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root))
        with _put_back():
            yield


@contextmanager
def _put_back() -> Iterator[None]:
    """Restore what kfp changes for a step and, with steps in several threads, leaves changed: print and logging."""
    root, told = logging.getLogger(), builtins.print
    level, handlers = root.level, root.handlers[:]
    try:
        yield
    finally:
        builtins.print = told
        root.setLevel(level)
        root.handlers[:] = handlers
