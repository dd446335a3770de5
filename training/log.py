"""Where a run's figures go: ``log.jsonl`` (one line a record), TensorBoard when it is installed, a progress bar."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class RunLog:
    """A context manager. Resumed at step S it first drops the records after S, so that no step stands twice.

    Where there is no terminal, each record is a line on stdout, if ``told``.
    """

    def __init__(self, folder: Path, *, first: int, steps: int, quiet: bool = False, told: bool = True) -> None:
        self.path = folder / "log.jsonl"
        self._told = told
        _drop_after(self.path, first)
        self._file = self.path.open("a", buffering=1)
        self._board = _open_board(folder, first)
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            disable=quiet,
        )
        self._task = self._progress.add_task("training", total=steps, completed=first, figures="")

    def advance(self, step: int) -> None:
        self._progress.update(self._task, completed=step)

    def record(self, step: int, **figures: float) -> None:
        """Write the figures of ``step`` everywhere."""
        line: dict[str, Any] = {"step": step} | {name: round(value, 6) for name, value in figures.items()}
        self._file.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self._progress.update(self._task, completed=step, figures=text)
        if self._told and not self._progress.console.is_terminal:
            self._progress.console.print(f"step {step}  {text}", highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """All whole records; a last line cut short by a kill is left out."""
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def _drop_after(path: Path, step: int) -> None:
    if path.exists():
        kept = [record for record in read_log(path) if record["step"] <= step]
        temporary = path.with_name(".log.jsonl")
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept))
        temporary.replace(path)


def _open_board(folder: Path, first: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # tensorboard is optional
        return None
    return SummaryWriter(folder / "tensorboard", purge_step=first + 1)
