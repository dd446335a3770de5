"""``python -m pipelines schedule``: one recurring run of a name, whatever was there before."""

from argparse import Namespace
from typing import Any

import pytest
from kfp import dsl

from loupe.errors import InvalidOption
from pipelines.__main__ import main
from pipelines.arguments import values_of
from pipelines.scheduling import Timing
from pipelines.server import PipelinesRefused
from tests.pipelines.kubeflow import Server
from tests.pipelines.test_placement import double


def schedule(server: Server, *more: str) -> int:
    return main(["schedule", "prepare_data", "--host", server.url, *more])


def test_a_schedule_is_made_and_replaced(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", "s3://bucket/photos")
    assert schedule(kubeflow, *data, "--cron", "0 0 3 * * *", "--max-concurrency", "2") == 0
    (made,) = kubeflow.kept["recurringruns"]
    assert capsys.readouterr().out == f"{kubeflow.url}/#/recurringrun/details/{made['recurring_run_id']}\n"
    assert made["display_name"] == "prepare_data"
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert (made["mode"], made["no_catchup"], str(made["max_concurrency"])) == ("ENABLE", True, "2")
    assert made["runtime_config"]["parameters"] == {"data": "s3://bucket/photos", "fingerprint": "[[ScheduledTime]]"}
    assert (
        made["pipeline_version_reference"]["pipeline_version_id"]
        == (kubeflow.kept["versions"][0]["pipeline_version_id"])
    )
    assert "enableCache: true" not in kubeflow.yamls[0]

    assert schedule(kubeflow, *data, "--interval", "6h", "--catchup", "--run-name", "often") == 0
    assert schedule(kubeflow, *data, "--interval", "2d") == 0
    assert "prepare_data: replaced" in capsys.readouterr().err
    kept = {one["display_name"]: one for one in kubeflow.kept["recurringruns"]}
    assert len(kept) == len(kubeflow.kept["recurringruns"]) == 2
    assert kept["prepare_data"]["trigger"] == {"periodic_schedule": {"interval_second": 2 * 86400}}
    assert kept["often"]["no_catchup"] is False
    assert len(kubeflow.yamls) == len(kubeflow.kept["pipelines"]) == 1


def test_when_making_fails_the_old_one_stays(kubeflow: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ("--data", "s3://bucket/photos", "--cron", "0 0 3 * * *")
    assert schedule(kubeflow, *data) == 0

    def refuse(*_: object) -> None:
        raise ValueError("no more of them")

    monkeypatch.setattr("tests.pipelines.kubeflow.Handler.make", refuse)
    assert schedule(kubeflow, *data) == PipelinesRefused.exit_code
    assert len(kubeflow.kept["recurringruns"]) == 1


def test_schedules_are_listed_and_removed(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):  # more than a page
        assert schedule(kubeflow, "--data", "d", "--cron", "0 0 3 * * *", "--run-name", name) == 0
    assert schedule(kubeflow, "--data", "d", "--interval", "90s") == 0
    capsys.readouterr()
    assert schedule(kubeflow, "--list") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.rpartition(",")[0] for line in told] == [
        "a: cron 0 0 3 * * *, enabled",
        "b: cron 0 0 3 * * *, enabled",
        "c: cron 0 0 3 * * *, enabled",
        "prepare_data: every 90 s, enabled",
    ]
    assert schedule(kubeflow, "--delete", "--run-name", "b", "--list") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "b: 1 removed"
    assert [line[0] for line in told[1:]] == ["a", "c", "p"]
    assert schedule(kubeflow, "--delete", "--run-name", "b") == 0
    assert capsys.readouterr().out == "b: 0 removed\n"


def test_namespaces_do_not_see_each_other(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for namespace in ("ada", "bob"):
        assert schedule(kubeflow, "--data", "d", "--interval", "1d", "--namespace", namespace) == 0
    assert len(kubeflow.kept["recurringruns"]) == 2
    assert schedule(kubeflow, "--delete", "--namespace", "ada") == 0
    assert len(kubeflow.kept["recurringruns"]) == 1


def test_without_a_time_nothing_is_sent(kubeflow: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule(kubeflow, "--data", "d") == 2
    assert "neither of cron and interval" in capsys.readouterr().err
    assert kubeflow.asked == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cron": "0 3 * * *"}, r"cron: got '0 3 \* \* \*', expected six fields, seconds first"),
        ({"cron": "0 0 3 * * $"}, "cron: got"),
        ({"interval": "6"}, "interval: got '6', expected a number and s, m, h or d"),
        ({"interval": "0h"}, "interval: got '0h'"),
        ({"interval": "6h", "cron": "0 0 3 * * *"}, "got both or neither"),
        ({"interval": "6h", "max_concurrency": 0}, "max-concurrency: got 0, expected 1 to 10"),
    ],
)
def test_a_wrong_time_is_refused(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        Timing(**wrong)  # type: ignore[arg-type]


def with_fingerprint() -> Any:
    def pipeline(data: str, fingerprint: str = "") -> None:
        double(number=2)

    return dsl.pipeline(name="with-fingerprint")(pipeline)


def test_a_run_knows_when_the_data_were_looked_at() -> None:
    options = Namespace(name="any", command="schedule", parameter_data="d", parameter_fingerprint=None)
    assert values_of(options, with_fingerprint()) == {"data": "d", "fingerprint": "[[ScheduledTime]]"}
    options.command = "submit"
    now = values_of(options, with_fingerprint())["fingerprint"]
    assert isinstance(now, str)
    assert len(now) == 14
    assert now.isdigit()
    with pytest.raises(InvalidOption, match="any: got no --data, expected values"):
        values_of(
            Namespace(name="any", command="submit", parameter_data=None, parameter_fingerprint=None), with_fingerprint()
        )
    options.parameter_fingerprint = "mine"
    assert values_of(options, with_fingerprint()) == {"data": "d", "fingerprint": "mine"}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1d", 86400)])
def test_intervals(text: str, seconds: int) -> None:
    assert Timing(interval=text).seconds == seconds
