"""Puts a pipeline on a server, once for the same YAML, runs it and follows the run to its end.

with connected(server) as client:
    version = upload(client, Path("prepare_data.yaml"), name="prepare_data", namespace="ada")
    run = start(client, version, run="first", experiment="loupe", parameters={"data": "s3://bucket/photos"})
    ended = follow(client, run, told=print)
"""

import contextlib
import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import kfp_server_api
import urllib3
from kfp.client import Client

from loupe import __version__
from loupe.errors import InvalidOption

ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
INNER = ("root", "executor")  # what Kubeflow Pipelines runs for itself; besides, a "-driver" for each step
SETBACKS = 5  # questions in a row without an answer, as when the server moves to another node
PAGE = 100


class Uploaded(NamedTuple):
    """A version of a pipeline on a server; ``fresh`` when it was not there before."""

    pipeline: str
    version: str
    name: str
    fresh: bool


class Ended(NamedTuple):
    """How a run ended, and the last state of each of its steps."""

    state: str
    steps: dict[str, str]
    error: str


def version_of(yaml: Path) -> str:
    """Our version and a hash of the YAML: the same for the same pipeline, image, placement and defaults."""
    return f"{__version__}-{hashlib.sha256(yaml.read_bytes()).hexdigest()[:12]}"


def named(name: str) -> str:
    """A filter of Kubeflow Pipelines' lists."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def upload(client: Client, yaml: Path, *, name: str, version: str = "", namespace: str = "") -> Uploaded:
    """The version of that name (``version_of``), uploaded unless it is there; the pipeline is made when there is none.

    InvalidOption when another YAML has that name: a version never changes.
    """
    content = version_of(yaml)
    version = version or content
    found = client.list_pipelines(filter=named(name), namespace=namespace or None, page_size=PAGE).pipelines or []
    if found:
        pipeline = found[0].pipeline_id
        there = client.list_pipeline_versions(pipeline, filter=named(version), page_size=PAGE).pipeline_versions or []
        if there:
            if version != content and there[0].description != content:
                raise InvalidOption(
                    f"version-name: got {version}, which is another YAML. Leave it out, or take another."
                )
            return Uploaded(pipeline, there[0].pipeline_version_id, version, fresh=False)
    else:  # not client.upload_pipeline, which names the first version like the pipeline
        body = kfp_server_api.V2beta1Pipeline(display_name=name, namespace=namespace or None)
        pipeline = client.pipelines.pipeline_service_create_pipeline(pipeline=body).pipeline_id
    with _unheard():
        made = client.upload_pipeline_version(str(yaml), version, pipeline_id=pipeline, description=content)
    return Uploaded(pipeline, made.pipeline_version_id, version, fresh=True)


def experiment_of(client: Client, name: str, namespace: str = "") -> str:
    """Its identity; made when there is none."""
    with _unheard():
        identity: str = client.create_experiment(name, namespace=namespace or None).experiment_id
    return identity


def start(
    client: Client,
    uploaded: Uploaded,
    *,
    run: str,
    experiment: str,
    parameters: Mapping[str, object],
    namespace: str = "",
) -> str:
    """Start a run in the experiment of that name. Returns the run's identity."""
    group = experiment_of(client, experiment, namespace)
    with _unheard():
        started = client.run_pipeline(
            group, run, params=dict(parameters), pipeline_id=uploaded.pipeline, version_id=uploaded.version
        )
    identity: str = started.run_id
    return identity


def follow(client: Client, run: str, *, told: Callable[[str], None], every: float = 10.0) -> Ended:
    """Wait for the run's end and say each step's states as they change."""
    steps: dict[str, str] = {}
    setbacks = 0
    while True:
        try:
            seen = client.get_run(run)
        except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError) as error:
            setbacks += 1
            if setbacks >= SETBACKS or (getattr(error, "status", None) or 500) < 500:
                raise
        else:
            setbacks = 0
            for name, state in _steps(seen).items():
                if steps.get(name) != state:
                    steps[name] = state
                    told(f"{name}: {state.lower()}")
            if seen.state in ENDED:
                return Ended(seen.state, steps, _errors(seen))
        time.sleep(every)


def _unheard() -> contextlib.redirect_stdout[io.StringIO]:
    """kfp.Client prints what it made; our command line says it in words of its own."""
    return contextlib.redirect_stdout(io.StringIO())


def _tasks(run: Any) -> list[Any]:
    tasks = (run.run_details.task_details if run.run_details else None) or []
    return [task for task in tasks if task.display_name not in INNER and not task.display_name.endswith("-driver")]


def _steps(run: Any) -> dict[str, str]:
    """Name -> state; of several with one name, as in a loop, "name 2" and so on."""
    found: dict[str, str] = {}
    for task in _tasks(run):
        count = sum(1 for name in found if name == task.display_name or name.startswith(f"{task.display_name} "))
        found[f"{task.display_name} {count + 1}" if count else task.display_name] = task.state or "PENDING"
    return found


def _errors(run: Any) -> str:
    """What the run and its failed steps say, in one line."""
    told = [run.error.message] if run.error and run.error.message else []
    told += [f"{task.display_name}: {task.error.message}" for task in _tasks(run) if task.error and task.error.message]
    return " ".join("; ".join(told).split())
