"""``python -m pipelines compile`` writes YAML; ``python -m pipelines run NAME --data FOLDER`` runs on this machine.

``submit`` and ``schedule`` do it on a Kubeflow Pipelines server, now or at set times.
"""

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from loupe.errors import LoupeError
from pipelines.arguments import FINGERPRINT, parse, placement_of, server_of, timing_of, values_of
from pipelines.catalogue import PIPELINES, build, parameters_of
from pipelines.compiling import write_yaml
from pipelines.fingerprint import fingerprint_of
from pipelines.running import REPORT, run_here
from pipelines.scheduling import describe, schedule, schedules, unschedule
from pipelines.server import connected
from pipelines.submitting import Uploaded, follow, start, upload
from pipelines.summary import table_of


def main(arguments: list[str] | None = None) -> int:
    """Parse, then do it. Returns the exit code."""
    options = parse(arguments)
    commands = {"compile": _compile, "run": _run, "submit": _submit, "schedule": _schedule}
    try:
        return commands[options.command](options)
    except LoupeError as error:
        print(f"pipelines: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _compile(options: argparse.Namespace) -> int:
    for name in options.names or PIPELINES:
        pipeline = build(name, placement_of(options))
        print(f"{write_yaml(pipeline, options.output / f'{name}.yaml', image=options.image)}: done")  # noqa: T201
    return 0


def _run(options: argparse.Namespace) -> int:
    pipeline = build(options.name)
    values = {field: getattr(options, field) for field in parameters_of(pipeline)}
    if FINGERPRINT in values and not values[FINGERPRINT]:
        values[FINGERPRINT] = fingerprint_of(values["data"], values["valid"], *values["evaluation"])
    console = Console(highlight=False)
    summary = run_here(pipeline, values, options.root, cache=not options.no_cache, console=console)
    console.print(table_of(summary))
    console.print(f"report: {summary.folder / REPORT}", soft_wrap=True)
    if summary.failed:
        print(f"pipelines: {summary.failed}", file=sys.stderr)  # noqa: T201
    return 1 if summary.failed else 0


def _submit(options: argparse.Namespace) -> int:
    server, pipeline = server_of(options, os.environ), build(options.name, placement_of(options))
    values = values_of(options, pipeline)
    name = options.run_name or f"{options.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    with connected(server) as client:
        uploaded = _upload(options, client, pipeline)
        run = start(
            client, uploaded, run=name, experiment=options.experiment, parameters=values, namespace=server.namespace
        )
        print(server.page("runs", run), flush=True)  # noqa: T201
        if not options.wait:
            return 0
        try:
            ended = follow(client, run, told=_say)
        except KeyboardInterrupt:
            _say("no longer followed; the run goes on")
            return 130
    _say(f"{ended.state.lower()}{': ' * bool(ended.error)}{ended.error}")
    return 0 if ended.state == "SUCCEEDED" else 1


def _schedule(options: argparse.Namespace) -> int:
    server, name = server_of(options, os.environ), options.run_name or options.name
    if options.list or options.delete:
        with connected(server) as client:
            if options.delete:
                print(f"{name}: {unschedule(client, name, server.namespace)} removed")  # noqa: T201
            for one in schedules(client, namespace=server.namespace) if options.list else ():
                print(describe(one))  # noqa: T201
        return 0
    timing, pipeline = timing_of(options), build(options.name, placement_of(options))
    values = values_of(options, pipeline)
    with connected(server) as client:
        made, replaced = schedule(
            client,
            _upload(options, client, pipeline),
            timing,
            name=name,
            experiment=options.experiment,
            parameters=values,
            namespace=server.namespace,
        )
    _say(f"{name}: {'replaced' if replaced else 'made'}")
    print(server.page("recurringrun", made))  # noqa: T201
    return 0


def _upload(options: argparse.Namespace, client: object, pipeline: object) -> Uploaded:
    with tempfile.TemporaryDirectory() as folder:
        yaml = write_yaml(pipeline, Path(folder) / f"{options.name}.yaml", image=options.image)
        made = upload(client, yaml, name=options.name, version=options.version_name, namespace=options.namespace)
    _say(f"{options.name}: version {made.name} {'uploaded' if made.fresh else 'is there already'}")
    return made


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
