"""A pipeline, or one component, on this machine: each step is a process of this Python; no Docker and no cluster.

summary = run_here(pipeline, {"data": "photos/"}, Path("runs/pipelines"))    # shows progress, keeps a report
with local_runner(Path("runs/pipelines")):                                  # nothing but kfp
    pipeline(data="photos/")

Steps that ran before with the same inputs are answered from the cache in the folder, as Kubeflow Pipelines would.
"""

import builtins
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kfp import local
from rich.console import Console

from pipelines.following import Follower
from pipelines.summary import Summary, summarize, write_report

REPORT = "report.html"


def run_here(
    pipeline: Any, parameters: Mapping[str, object], root: Path, *, cache: bool = True, console: Console | None = None
) -> Summary:
    """Run it to its end, well or not (``summary.failed``), and leave ``report.html`` and ``run.log`` in its folder."""
    name = pipeline.pipeline_spec.pipeline_info.name
    before = {folder.name for folder in root.glob(f"{name}-*")}
    log = root / f".{name}.log"
    failure = ""
    with Follower(total=count_steps(pipeline), log=log, console=console) as follower:
        try:
            with local_runner(root, cache=cache):
                pipeline(**parameters)
        except RuntimeError as error:  # kfp's word for a failed step, which has said why
            failure = str(error)
    made = sorted(folder for folder in root.glob(f"{name}-*") if folder.name not in before)
    run = made[-1] if made else root / f"{name}-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S-%f}"  # all from the cache
    run.mkdir(parents=True, exist_ok=True)
    log.replace(run / "run.log")
    _leave_files(run)
    summary = summarize(pipeline, parameters, follower.steps, run=run, root=root, failure=failure)
    write_report(summary, run / REPORT)
    return summary


def _leave_files(run: Path) -> None:
    """kfp's cache takes a step for one whose artifacts were deleted, if there are none: metrics are metadata only."""
    for told in run.rglob("executor_output.json"):
        for made in json.loads(told.read_text()).get("artifacts", {}).values():
            for artifact in made["artifacts"]:
                path = Path(artifact["uri"])
                if not path.exists():
                    path.touch()


def count_steps(pipeline: Any) -> int:
    """Steps when every condition holds and every loop has one turn."""
    spec = pipeline.pipeline_spec

    def count(component: Any) -> int:
        tasks = component.dag.tasks.values()
        inner = (spec.components[task.component_ref.name] for task in tasks)
        return sum(count(each) if each.WhichOneof("implementation") == "dag" else 1 for each in inner)

    return count(spec.root)


@contextmanager
def local_runner(root: Path, *, cache: bool = True) -> Iterator[None]:
    """Inside, calling a pipeline or a component runs it; each run's artifacts are in a folder of ``root``.

    A failed step raises RuntimeError, after its own message was printed. kfp keeps the runner for the whole process.
    """
    with warnings.catch_warnings():
        # kfp takes an image without "python" in its name for one without our packages; this Python has them.
        warnings.filterwarnings("ignore", "You may be attemping to run a task", RuntimeWarning)
        # Memory, processors and GPUs of a step are for the cluster.
        warnings.filterwarnings("ignore", "Task .* have no effect in the current local runner", UserWarning)
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), enable_caching=cache)
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
