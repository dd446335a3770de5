"""What a local run does, told step by step: kfp's own log taken apart into steps, for people and for the summary.

with Follower(total=10, log=Path("run.log")) as follower:
    pipeline(data="photos/")
follower.steps            # what ran, for how long, and what each step said

kfp tells of its steps by its log only, on standard output, between the lines that the steps themselves print.
"""

import io
import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

COLOUR = re.compile("\x1b\\[[0-9;]*m")
EVENT = re.compile(r"\d\d:\d\d:\d\d\.\d+ - [A-Z]+ - (.*)")
STARTED = re.compile(r"Executing task '(.+)'")
ENDED = re.compile(r"Task '(.+)' finished with status (SUCCESS|FAILURE)")
CACHED = re.compile(r"Task (\S+) cache hit \(key=([0-9a-f]+)\)")
INDENT = "    "
JSON = re.compile(r"""\s*(["{}\[\]]|-?\d|true|false|null).*""")
NOISE = re.compile(r"\[KFP Executor .*|.*Looking for component `.*|.*Loading KFP component .*")

State = Literal["running", "done", "cached", "failed"]
MARKS = {"done": "[green]done[/]", "cached": "[cyan]cached[/]", "failed": "[red]failed[/]"}


@dataclass
class Step:
    """One execution of a component; ``key`` is the beginning of its entry in the cache, where that answered."""

    name: str
    state: State = "running"
    seconds: float = 0.0
    key: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def error(self) -> str:
        """What a failed step said last: its exception with its message, without the stack."""
        found: list[str] = []
        for line in self.lines:
            if line.startswith("Traceback (most recent call last)"):
                found = []
            elif found or (line and not line[0].isspace()):
                found.append(line)
        return re.sub(r"^(?:\w+\.)+(\w+: )", r"\1", "\n".join(found).strip()) or "it said nothing"


class Follower:
    """Takes standard output over while it is open. ``total`` is how many steps there are when every condition holds."""

    def __init__(self, *, total: int, log: Path, console: Console | None = None) -> None:
        self.steps: list[Step] = []
        self.console = console or Console(highlight=False)
        self.console.file = self.console.file  # standard output as it is now, not what takes its place
        self._log_path = log
        self._running: dict[int, Step] = {}
        self._began: dict[int, float] = {}
        self._skipping: set[int] = set()  # threads within the JSON that kfp's executor prints of its inputs
        self._lock = threading.Lock()
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total)
        self._open = ExitStack()
        self._log: TextIO | None = None

    def __enter__(self) -> Self:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._open.enter_context(self._log_path.open("w"))
        self._open.enter_context(self._progress)
        self._open.enter_context(redirect_stdout(_Lines(self._take)))
        root = logging.getLogger()
        handler = _Messages(self._event)
        level = root.level
        self._open.callback(root.setLevel, level)
        root.setLevel(logging.INFO)
        root.addHandler(handler)
        self._open.callback(root.removeHandler, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _take(self, line: str) -> None:
        """A line from standard output, of the thread that prints it: kfp runs each step in one thread."""
        line = COLOUR.sub("", line.rstrip())
        if event := EVENT.fullmatch(line.strip()):
            self._event(event[1])
        elif step := self._running.get(threading.get_ident()):
            self._keep(step, line)

    def _keep(self, step: Step, line: str) -> None:
        me = threading.get_ident()
        if line.endswith("Got executor_input:"):
            self._skipping.add(me)
            return
        if me in self._skipping and JSON.fullmatch(line):
            return
        self._skipping.discard(me)
        if line and not NOISE.fullmatch(line):
            with self._lock:
                step.lines.append(line)
                if self._log:
                    self._log.write(f"{step.name}: {line}\n")
                    self._log.flush()
            self._progress.update(self._task, description=f"{step.name}: {line.strip()[:100]}")

    def _event(self, message: str) -> None:
        me = threading.get_ident()
        message = COLOUR.sub("", message)
        if found := STARTED.match(message):
            with self._lock:
                step = Step(found[1])
                self.steps.append(step)
            self._running[me], self._began[me] = step, time.monotonic()
            self._progress.update(self._task, description=step.name)
        elif found := ENDED.match(message):
            if ended := self._running.pop(me, None):
                ended.seconds = time.monotonic() - self._began.pop(me)
                ended.state = "done" if found[2] == "SUCCESS" else "failed"
                self._tell(ended)
        elif found := CACHED.match(message):
            step = Step(found[1], state="cached", key=found[2])
            with self._lock:
                self.steps.append(step)
            self._tell(step)

    def _tell(self, step: Step) -> None:
        took = "" if step.state == "cached" else f"{step.seconds:7.1f} s"
        self.console.print(f"  {step.name:<16}{MARKS[step.state]:<22}{took}")
        self._progress.advance(self._task)


class _Lines(io.TextIOBase):
    """Standard output that hands on whole lines, each thread's own."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._parts = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text == INDENT and not getattr(self._parts, "text", ""):
            return len(text)  # kfp's, before each line of a step, and as often as steps run in threads
        *lines, rest = (getattr(self._parts, "text", "") + text).split("\n")
        for line in lines:
            self._take(line)
        self._parts.text = rest
        return len(text)


class _Messages(logging.Handler):
    """kfp's log where it goes to no stream: that a step was answered from the cache."""

    def __init__(self, event: Callable[[str], None]) -> None:
        super().__init__()
        self._event = event

    def emit(self, record: logging.LogRecord) -> None:
        self._event(record.getMessage())
