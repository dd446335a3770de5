"""``python -m pipelines compile`` writes YAML; ``python -m pipelines run NAME --data FOLDER`` runs on this machine."""

import argparse
import os
import re
import sys
from pathlib import Path

from components import IMAGE
from loupe.errors import LoupeError
from pipelines.catalogue import PIPELINES, build, parameters_of
from pipelines.compiling import write_yaml
from pipelines.placement import Placement
from pipelines.running import local_runner

COLOUR = re.compile("\x1b\\[[0-9;]*m")
ROOT = Path("runs/pipelines")
KINDS: dict[str, type] = {"String": str, "Integer": int, "Float": float, "List[String]": str}


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
        for field, (kind, default, told) in parameters_of(pipeline).items():
            command.add_argument(
                f"--{field.replace('_', '-')}",
                type=KINDS[kind],
                nargs="*" if kind.startswith("List") else None,
                default=default,
                required=default is None,
                help=told + ("" if default in (None, "", []) else f" (default: {default})"),
            )
    options = parser.parse_args(arguments)
    if unknown := sorted(set(getattr(options, "names", ())) - set(PIPELINES)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(PIPELINES)}")
    return options


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
    try:
        with local_runner(options.root):
            pipeline(**values)
    except RuntimeError as error:  # kfp's word for a failed step, which has said why
        print(f"pipelines: {COLOUR.sub('', str(error))}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{options.root}: done")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
