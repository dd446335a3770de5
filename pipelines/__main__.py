"""``python -m pipelines compile`` writes YAML; ``python -m pipelines run NAME --data FOLDER`` runs on this machine."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from components import IMAGE
from loupe.errors import LoupeError
from pipelines.catalogue import PIPELINES, build, parameters_of
from pipelines.compiling import write_yaml
from pipelines.fingerprint import fingerprint_of
from pipelines.placement import Placement
from pipelines.running import REPORT, run_here
from pipelines.summary import table_of

ROOT = Path("runs/pipelines")
KINDS: dict[str, Callable[[str], object]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "List": str,
    "Dict": json.loads,
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; ``run`` takes the pipeline's own parameters. Exits with 2 when it does not fit."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("compile", help="write YAML for Kubeflow Pipelines")
    writing.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PIPELINES)} (default: all)")
    writing.add_argument("-o", "--output", type=Path, default=Path("runs/compiled"), help="folder of the YAML files")
    image = os.environ.get("LOUPE_WORKER_IMAGE", IMAGE)
    writing.add_argument("--image", default=image, help="of the steps, by tag or digest (default: %(default)s)")
    run = commands.add_parser("run", help="run on this machine").add_subparsers(dest="name", required=True)
    for name in PIPELINES:
        pipeline = build(name)
        command = run.add_parser(name, help=pipeline.description, description=pipeline.description)
        command.add_argument("--root", type=Path, default=ROOT, help="folder of the artifacts (default: %(default)s)")
        command.add_argument("--no-cache", action="store_true", help="run every step, whatever ran before")
        _add_parameters(command, pipeline)
    options = parser.parse_args(arguments)
    if unknown := sorted(set(getattr(options, "names", ())) - set(PIPELINES)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(PIPELINES)}")
    return options


def _add_parameters(command: argparse.ArgumentParser, pipeline: Any) -> None:  # kfp is untyped
    """Each of the pipeline's own as an option; a dictionary is given as JSON."""
    for field, (kind, default, told) in parameters_of(pipeline).items():
        option = f"--{field.replace('_', '-')}"
        text = told + ("" if default in (None, "", [], {}, False) else f" (default: {default})")
        if kind == "Boolean":
            command.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=text)
            continue
        command.add_argument(
            option,
            type=KINDS[kind.partition("[")[0]],
            nargs="*" if kind.startswith("List") else None,
            default=default,
            required=default is None and field != "fingerprint",
            help=text + (", as JSON" if kind.startswith("Dict") else ""),
        )


def main(arguments: list[str] | None = None) -> int:
    """Parse, then compile or run. Returns the exit code."""
    options = parse(arguments)
    if options.command == "run":
        return _run(options)
    try:
        for name in options.names or PIPELINES:
            path = write_yaml(build(name, Placement()), options.output / f"{name}.yaml", image=options.image)
            print(f"{path}: done")  # noqa: T201
    except LoupeError as error:
        print(f"pipelines: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _run(options: argparse.Namespace) -> int:
    pipeline = build(options.name)
    values = {field: getattr(options, field) for field in parameters_of(pipeline)}
    console = Console(highlight=False)
    try:
        if "fingerprint" in values and not values["fingerprint"]:
            values["fingerprint"] = fingerprint_of(values["data"], values["valid"], *values["evaluation"])
    except LoupeError as error:
        print(f"pipelines: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    summary = run_here(pipeline, values, options.root, cache=not options.no_cache, console=console)
    console.print(table_of(summary))
    if summary.failed:
        print(f"pipelines: {summary.failed}", file=sys.stderr)  # noqa: T201
    console.print(f"report: {summary.folder / REPORT}", soft_wrap=True)
    return 1 if summary.failed else 0


if __name__ == "__main__":
    sys.exit(main())
