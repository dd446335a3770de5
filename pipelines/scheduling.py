"""Recurring runs: a pipeline at set times, one schedule of a name at most.

with connected(server) as client:
    schedule(client, uploaded, Timing(cron="0 0 3 * * *"), name="nightly", experiment="loupe", parameters={...})
    unschedule(client, "nightly")
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp.client import Client

from loupe.errors import InvalidOption
from pipelines.submitting import PAGE, Uploaded, experiment_of, named

SCHEDULED = "[[ScheduledTime]]"  # Kubeflow Pipelines puts the time of the run there
FIELD = r"[0-9A-Za-z*/,?\-]+"
CRON = re.compile(rf"{FIELD}( {FIELD}){{5}}")
INTERVAL = re.compile(r"([1-9]\d*)([smhd])", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MOST = 10  # runs at the same time that Kubeflow Pipelines allows for one schedule


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When: ``cron`` of six fields (seconds first) or ``interval`` such as 6h; how many runs at once."""

    cron: str = ""
    interval: str = ""
    max_concurrency: int = 1
    catchup: bool = False
    """Whether times that were missed, as while it was disabled, are made up for."""

    def __post_init__(self) -> None:
        if bool(self.cron) == bool(self.interval):
            raise InvalidOption("schedule: got both or neither of cron and interval, expected one of them")
        if self.cron and not CRON.fullmatch(self.cron):
            raise InvalidOption(
                f"cron: got {self.cron!r}, expected six fields, seconds first: '0 0 3 * * *' is every day at three"
            )
        if self.interval and not INTERVAL.fullmatch(self.interval):
            raise InvalidOption(f"interval: got {self.interval!r}, expected a number and s, m, h or d, such as 6h")
        if not 1 <= self.max_concurrency <= MOST:
            raise InvalidOption(f"max-concurrency: got {self.max_concurrency}, expected 1 to {MOST}")

    @property
    def seconds(self) -> int | None:
        """Of the interval."""
        match = INTERVAL.fullmatch(self.interval)
        return int(match[1]) * SECONDS[match[2]] if match else None


def schedule(
    client: Client,
    uploaded: Uploaded,
    timing: Timing,
    *,
    name: str,
    experiment: str,
    parameters: Mapping[str, object],
    namespace: str = "",
) -> tuple[str, int]:
    """Make the recurring run and then remove older ones of its name. Returns its identity, and how many it replaced."""
    older = schedules(client, name=name, namespace=namespace)
    made = client.create_recurring_run(
        experiment_of(client, experiment, namespace),
        name,
        cron_expression=timing.cron or None,
        interval_second=timing.seconds,
        max_concurrency=timing.max_concurrency,
        no_catchup=not timing.catchup,
        params=dict(parameters),
        pipeline_id=uploaded.pipeline,
        version_id=uploaded.version,
    )
    for one in older:  # only now: when making it fails, the old one goes on
        client.delete_recurring_run(one.recurring_run_id)
    return made.recurring_run_id, len(older)


def unschedule(client: Client, name: str, namespace: str = "") -> int:
    """Remove the recurring runs of that name; runs that were started go on. Returns how many there were."""
    found = schedules(client, name=name, namespace=namespace)
    for one in found:
        client.delete_recurring_run(one.recurring_run_id)
    return len(found)


def schedules(client: Client, *, name: str = "", namespace: str = "") -> list[Any]:
    """All recurring runs, or those of a name, as kfp's V2beta1RecurringRun."""
    found: list[Any] = []
    token = ""
    while True:
        page = client.list_recurring_runs(
            page_token=token, page_size=PAGE, namespace=namespace or None, filter=named(name) if name else None
        )
        found += page.recurring_runs or []
        token = page.next_page_token or ""
        if not token:
            return found


def describe(run: Any) -> str:
    """One line: name, when, whether it is on, identity."""
    trigger = run.trigger
    if trigger and trigger.cron_schedule:
        when = f"cron {trigger.cron_schedule.cron}"
    elif trigger and trigger.periodic_schedule:
        when = f"every {trigger.periodic_schedule.interval_second} s"
    else:
        when = "no time"
    return f"{run.display_name}: {when}, {(run.status or 'unknown').lower()}, {run.recurring_run_id}"
