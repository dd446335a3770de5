"""What all commands of ``loupe`` share at the terminal: consoles, progress bars, errors in one line, Ctrl-C.

with errors_shown(), interrupt() as stop, progress_bars() as bars: ...
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from loupe.errors import LoupeError
from loupe.settings import Settings

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ModelsDir = Annotated[Path | None, typer.Option(help="A folder of checkpoints, searched before those that ship.")]
BackendName = Annotated[
    str, typer.Option(help="auto, torch, openvino, or http://host:port of an inference server.", metavar="BACKEND")
]


def read_settings(models_dir: Path | None) -> Settings:
    """The environment's, with a folder that was given on the command line."""
    return Settings(models_dir=models_dir) if models_dir else Settings()


def progress_bars() -> Progress:
    """On stderr, and nowhere when that is no screen."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


@contextmanager
def errors_shown() -> Iterator[None]:
    """Our errors as one line on stderr and an exit code; anything else is a bug and keeps its traceback."""
    try:
        yield
    except LoupeError as error:
        fail(error, str(error))


def fail(error: LoupeError, said: str) -> NoReturn:
    """Say it and exit with the error's code."""
    err.print(f"loupe: {said}", style="red", soft_wrap=True, markup=False)
    raise typer.Exit(error.exit_code) from error


@contextmanager
def interrupt() -> Iterator[threading.Event]:
    """Ctrl-C sets what is yielded, for the work to look at; a second one ends it at once."""
    stop = threading.Event()

    def on_interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
