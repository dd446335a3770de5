"""The command line of ``python -m pipelines``: compile, run, submit, schedule."""

import argparse
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components import IMAGE
from loupe.errors import InvalidOption
from pipelines.catalogue import PIPELINES, build, parameters_of
from pipelines.placement import Placement, Toleration
from pipelines.scheduling import SCHEDULED, Timing
from pipelines.server import TOKEN, Server, read_token

ROOT = Path("runs/pipelines")
KINDS: dict[str, Callable[[str], object]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "List": str,
    "Dict": json.loads,
}
FINGERPRINT = "fingerprint"  # a pipeline's parameter: what the data are now
DESCRIPTION = "Pipelines: YAML for a cluster, a run on this machine, runs and schedules on a Kubeflow Pipelines server."


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; all but ``compile`` take the pipeline's own parameters. Exits with 2 when it does not fit."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("compile", help="write YAML for Kubeflow Pipelines")
    writing.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PIPELINES)} (default: all)")
    writing.add_argument("-o", "--output", type=Path, default=Path("runs/compiled"), help="folder of the YAML files")
    _add_placement(writing)
    run = commands.add_parser("run", help="run on this machine").add_subparsers(dest="name", required=True)
    submit = commands.add_parser("submit", help="run on a server").add_subparsers(dest="name", required=True)
    schedule = commands.add_parser("schedule", help="run on a server at set times")
    timed = schedule.add_subparsers(dest="name", required=True)
    for name in PIPELINES:
        pipeline = build(name)
        described = {"help": pipeline.description, "description": pipeline.description}
        command = run.add_parser(name, **described)
        command.add_argument("--root", type=Path, default=ROOT, help="folder of the artifacts (default: %(default)s)")
        command.add_argument("--no-cache", action="store_true", help="run every step, whatever ran before")
        _add_parameters(command, pipeline)
        _add_submitting(command := submit.add_parser(name, **described))
        _add_parameters(command, pipeline, remote=True)
        _add_scheduling(command := timed.add_parser(name, **described))
        _add_parameters(command, pipeline, remote=True, required=False)
    options = parser.parse_args(arguments)
    if unknown := sorted(set(getattr(options, "names", ())) - set(PIPELINES)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(PIPELINES)}")
    return options


def placement_of(options: argparse.Namespace) -> Placement:
    """Raises InvalidOption."""
    claim, _, path = options.volume_claim.partition(":")
    try:
        return Placement(
            secret=options.secret,
            config_map=options.config_map,
            volume_claim=claim,
            volume_path=path or Placement.volume_path,
            gpus=options.gpus,
            accelerator=options.accelerator,
            node_selector=dict(_pair("node-selector", text) for text in options.node_selector),
            tolerations=tuple(_toleration(text) for text in options.toleration),
            image_pull_secrets=tuple(options.image_pull_secret),
            retries=options.retries,
            # A scheduled run that is answered from the cache would not look at the data.
            caching=not (options.no_cache or options.command == "schedule"),
        )
    except ValueError as error:
        raise InvalidOption(str(error)) from error


def server_of(options: argparse.Namespace, environment: Mapping[str, str]) -> Server:
    """Raises InvalidOption."""
    return Server(
        host=options.host,
        namespace=options.namespace,
        token=read_token(options.token_file, environment),
        ca_cert=options.ca_cert,
    )


def timing_of(options: argparse.Namespace) -> Timing:
    """Raises InvalidOption."""
    return Timing(
        cron=options.cron,
        interval=options.interval,
        max_concurrency=options.max_concurrency,
        catchup=options.catchup,
    )


def values_of(options: argparse.Namespace, pipeline: Any) -> dict[str, object]:
    """Parameters that were given, and the fingerprint: the time, since nobody here can look at the cluster's data.

    The rest have the compiled defaults. Raises InvalidOption for one that is missing.
    """
    parameters = parameters_of(pipeline)
    given = {name: value for name in parameters if (value := getattr(options, _destination(name))) is not None}
    needed = [name for name, known in parameters.items() if known.default is None and name != FINGERPRINT]
    if missing := [f"--{_flag(name)}" for name in needed if name not in given]:
        raise InvalidOption(f"{options.name}: got no {', '.join(missing)}, expected values")
    if FINGERPRINT in parameters and not given.get(FINGERPRINT):
        given[FINGERPRINT] = SCHEDULED if options.command == "schedule" else f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    return given


def _add_parameters(
    command: argparse.ArgumentParser, pipeline: Any, *, remote: bool = False, required: bool = True
) -> None:
    """The pipeline's own, a dictionary as JSON; on a server without defaults, which are those of the compiled YAML.

    One that is called like an option of ours, such as ``namespace``, gets the name ``--pipeline-namespace``.
    """
    group = command.add_argument_group("the pipeline's parameters") if remote else command
    for field, (kind, default, told) in parameters_of(pipeline).items():
        taken = remote and f"--{_flag(field)}" in command._option_string_actions
        option = f"--{'pipeline-' * taken}{_flag(field)}"
        name, value = (_destination(field), None) if remote else (field, default)
        text = told + ("" if default in (None, "", [], {}, False) else f" (default: {default})")
        if kind == "Boolean":
            group.add_argument(option, dest=name, action=argparse.BooleanOptionalAction, default=value, help=text)
            continue
        group.add_argument(
            option,
            dest=name,
            type=KINDS[kind.partition("[")[0]],
            nargs="*" if kind.startswith("List") else None,
            default=value,
            required=required and default is None and field != FINGERPRINT,
            help=text + (", as JSON" if kind.startswith("Dict") else ""),
        )


def _flag(field: str) -> str:
    return field.replace("_", "-")


def _destination(field: str) -> str:
    return f"parameter_{field}"


def _add_placement(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("where and with what the steps run")
    image = os.environ.get("LOUPE_WORKER_IMAGE", IMAGE)
    group.add_argument("--image", default=image, help="of the steps, by tag or digest (default: %(default)s)")
    group.add_argument("--secret", default="", help="Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    group.add_argument("--config-map", default="", help="ConfigMap with LOUPE_STORAGE, S3_ENDPOINT_URL, AWS_REGION")
    group.add_argument(
        "--volume-claim", default="", metavar="NAME[:PATH]", help="claim that all steps mount (at /data), for downloads"
    )
    group.add_argument("--gpus", type=int, default=0, help="of a step that can use them (default: %(default)s)")
    group.add_argument("--accelerator", default="nvidia.com/gpu", help="resource's name (default: %(default)s)")
    group.add_argument("--node-selector", action="append", default=[], metavar="LABEL=VALUE", help="may be repeated")
    group.add_argument(
        "--toleration", action="append", default=[], metavar="KEY[=VALUE][:EFFECT]", help="of a taint; may be repeated"
    )
    group.add_argument("--image-pull-secret", action="append", default=[], metavar="NAME", help="may be repeated")
    group.add_argument("--retries", type=int, help="of each step that fails (default: as the pipeline says)")
    group.add_argument("--no-cache", action="store_true", help="run every step, even if it ran with the same inputs")


def _add_server(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("the server")
    host = os.environ.get("KF_PIPELINES_ENDPOINT")
    group.add_argument("--host", default=host, required=not host, metavar="URL", help="such as https://HOST/pipeline")
    group.add_argument("--namespace", default="", help="your profile, where a server has many users")
    group.add_argument("--token-file", type=Path, help=f"file with the token (default: {TOKEN} in the environment)")
    group.add_argument("--ca-cert", type=Path, help="PEM file of the authority that signed the server's certificate")
    group.add_argument("--experiment", default="loupe", help="group of runs, made if needed (default: %(default)s)")
    group.add_argument("--version-name", default="", help="of the pipeline (default: made from its content)")


def _add_submitting(command: argparse.ArgumentParser) -> None:
    _add_server(command)
    command.add_argument("--run-name", default="", help="default: the pipeline's name and the time")
    command.add_argument("--wait", action="store_true", help="follow the run to its end; exit code 1 when it fails")
    _add_placement(command)


def _add_scheduling(command: argparse.ArgumentParser) -> None:
    _add_server(command)
    command.add_argument("--run-name", default="", help="of the schedule (default: the pipeline's name)")
    command.add_argument("--cron", default="", metavar="FIELDS", help="six fields, seconds first: '0 0 3 * * *'")
    command.add_argument("--interval", default="", metavar="TIME", help="such as 90s, 30m, 6h, 1d")
    command.add_argument("--max-concurrency", type=int, default=1, help="runs at once (default: %(default)s)")
    command.add_argument(
        "--catchup", action=argparse.BooleanOptionalAction, default=False, help="make up for times that were missed"
    )
    command.add_argument("--delete", action="store_true", help="remove the schedule of this name")
    command.add_argument("--list", action="store_true", help="list all schedules of the server or namespace")
    _add_placement(command)


def _pair(option: str, text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{option}: got {text!r}, expected LABEL=VALUE")
    return key, value


def _toleration(text: str) -> Toleration:
    taint, _, effect = text.partition(":")
    key, sign, value = taint.partition("=")
    return Toleration(key=key, value=value if sign else None, effect=effect)  # type: ignore[arg-type]  # it checks
