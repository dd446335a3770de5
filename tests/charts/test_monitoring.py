"""Alerts and the dashboard ask Prometheus for what our servers say; every alert is told of in docs/operations.md."""

import json
import re
from collections.abc import Iterator, Mapping

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

import frontend.metrics
import serving.metrics
from frontend.jobs import Jobs
from loupe.distribution import EDGES
from loupe.observed import METRIC
from tests.charts.rendering import ROOT, Rendering

# Of kube-state-metrics, the kubelet and Prometheus itself.
OF_OTHERS = {
    "up",
    "kube_deployment_status_replicas_available",
    "kube_job_status_failed",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
}
LABELS_OF_OTHERS = {"namespace", "service", "component", "deployment", "job_name", "persistentvolumeclaim", "le", "pod"}


@pytest.fixture(scope="module")
def ours() -> dict[str, set[str]]:
    """Name of a series -> its labels, of the page's server and of the inference server."""
    jobs = Jobs(1, 1)
    page = frontend.metrics.Metrics(jobs).registry
    models = CollectorRegistry()
    serving.metrics.Metrics(models)
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    found = {f"{METRIC}{suffix}": {"model", "feature", "le"} for suffix in suffixes["histogram"]}
    for registry in (page, models):
        for collector in set(registry._names_to_collectors.values()):
            for suffix in suffixes[getattr(collector, "_type", "gauge")] if hasattr(collector, "_type") else ():
                labels = {*collector._labelnames, *(["le"] if suffix == "_bucket" else [])}
                found[f"{collector._name}{suffix}"] = labels
    jobs.close()
    return found


def expressions(rendering: Rendering) -> Iterator[tuple[str, str]]:
    """(where, PromQL)."""
    for rule in rendering.all("PrometheusRule"):
        for group in rule["spec"]["groups"]:
            yield from ((each["alert"], each["expr"]) for each in group["rules"])
    for dashboard in rendering.all("ConfigMap"):
        if "loupe.json" in dashboard.get("data", {}):
            for panel in json.loads(dashboard["data"]["loupe.json"])["panels"]:
                for target in panel.get("targets", ()):
                    yield panel["title"], target["expr"].replace("$namespace", "ml").replace("$__rate_interval", "5m")
    for service in rendering.all("InferenceService"):
        for metric in service["spec"]["predictor"].get("autoScaling", {}).get("metrics", ()):
            if metric["type"] == "External":
                yield service["metadata"]["name"], metric["external"]["metric"]["query"]


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Names of series and the labels that they are chosen by."""
    for name, chosen in re.findall(r"\b([a-z_]+)\{([^}]*)\}", expression):
        yield name, set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', chosen))


@pytest.mark.parametrize("name", ["full", "gpu", "no-pipelines"])
def test_every_query_is_promql_over_series_that_there_are(
    name: str, renderings: Mapping[str, Rendering], ours: dict[str, set[str]]
) -> None:
    found = list(expressions(renderings[name]))
    assert len(found) > 5
    for where, expression in found:
        promql_parser.parse(expression)
        chosen = list(selectors(expression))
        assert chosen, where
        for series, labels in chosen:
            assert series in ours.keys() | OF_OTHERS, f"{where}: nobody says {series}"
            assert "namespace" in labels, f"{where}: {series} of any namespace"
            assert labels <= ours.get(series, set()) | LABELS_OF_OTHERS, (where, series)
        for feature in re.findall(r'feature="(\w+)"', expression):
            assert feature in EDGES, where
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        promql_parser.parse("sum(rate(loupe_requests_total[5m])")


def test_every_alert_is_told_of(renderings: Mapping[str, Rendering]) -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    told = set(re.findall(r"^### (Loupe\w+)$", text, re.MULTILINE))
    fired = set()
    for rendering in renderings.values():
        for rule in rendering.all("PrometheusRule"):
            for each in (each for group in rule["spec"]["groups"] for each in group["rules"]):
                fired.add(each["alert"])
                assert each["labels"]["severity"] in ("critical", "warning")
                assert each["annotations"]["runbook_url"].endswith(f"#{each['alert'].lower()}")
    assert fired == told
    assert len(fired) >= 8


def test_there_is_an_alert_for_each_model(renderings: Mapping[str, Rendering]) -> None:
    (rule,) = renderings["full"].all("PrometheusRule")
    down = [each for each in rule["spec"]["groups"][0]["rules"] if each["alert"] == "LoupeModelDown"]
    assert {each["labels"]["model"] for each in down} == {"edsr_light_x4", "edsr_fast_x2", "edsr_fast_x4_custom"}
    assert all(each["labels"]["team"] == "imaging" for each in down)
    (rule,) = renderings["gpu"].all("PrometheusRule")  # one model may scale to none, which is no failure
    down = [each for each in rule["spec"]["groups"][0]["rules"] if each["alert"] == "LoupeModelDown"]
    assert [each["labels"]["model"] for each in down] == ["edsr_light_x4"]


def test_torchserve_says_what_the_alerts_ask(ours: dict[str, set[str]]) -> None:
    reported = yaml.safe_load((ROOT / "serving" / "metrics.yaml").read_text())["model_metrics"]
    names = {each["name"] for kind in reported.values() for each in kind}
    assert {"loupe_requests_total", "loupe_request_seconds", "loupe_tiles_total"} <= names


def test_the_dashboard_is_whole(renderings: Mapping[str, Rendering]) -> None:
    config = renderings["full"].one("ConfigMap", "loupe-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(config["data"]["loupe.json"])
    assert {"Pictures and tiles", "Failed requests", "Seconds of a tile"} <= {
        each["title"] for each in dashboard["panels"]
    }
    ids = [each["id"] for each in dashboard["panels"]]
    assert len(ids) == len(set(ids)) >= 8
