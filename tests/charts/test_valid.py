"""What Helm makes of every ci file is what Kubernetes and its extensions take, to the last field."""

import copy
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import helm_python.chart
import pytest
import yaml
from kubernetes_validate.utils import SchemaNotFoundError

from docs.chart_values import CHART, described, main, read_values
from tests.charts import builtin
from tests.charts.gateway import http_route
from tests.charts.rendering import CI, Rendering, read, render
from tests.crds import CRD, find_crds, problems

CUSTOM = ("InferenceService", "ServingRuntime", "ServiceMonitor", "PrometheusRule", "FeatureStore")


@cache
def definitions(folder: Path, kind: str) -> list[CRD]:
    return find_crds(folder, kind)


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_helm_lints_it_strictly(path: Path) -> None:
    report = helm_python.chart.lint(CHART, read(path), strict=True, namespace="ml")
    loud = [each for each in report["messages"] if each["severity"] > 1]
    assert (report["errors"], loud) == ([], [])


@pytest.mark.parametrize("version", builtin.VERSIONS)
def test_builtin_kinds_fit_every_release(rendering: Rendering, version: str) -> None:
    own = [each for each in rendering.objects if each["kind"] not in (*CUSTOM, "HTTPRoute")]
    assert len(own) >= 5
    for each in own:
        assert builtin.problems(each, version) == [], each["metadata"]["name"]


def test_a_wrong_object_and_an_unknown_kind_are_found(renderings: dict[str, Rendering]) -> None:
    deployment = copy.deepcopy(renderings["minimal"].one("Deployment", "loupe-web"))
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullpolicy"] = "Always"
    assert "imagePullpolicy" in " ".join(builtin.problems(deployment, "1.31"))
    deployment["spec"]["replicas"] = "two"
    assert any("'two' is not of type" in problem for problem in builtin.problems(deployment, "1.34"))
    with pytest.raises(SchemaNotFoundError):
        builtin.problems({**deployment, "kind": "Departure"}, "1.31")


def test_custom_kinds_fit_every_release(rendering: Rendering, crds: Path) -> None:
    for each in rendering.objects:
        if each["kind"] not in CUSTOM:
            continue
        found = [crd for crd in definitions(crds, each["kind"]) if crd.api_version == each["apiVersion"]]
        assert found, f"no definition of {each['apiVersion']} {each['kind']}"
        if "canary" in each["spec"]:  # in standard mode from 0.20 on; refused by the chart for older ones
            found = [crd for crd in found if crd.release >= "kserve-v0.20"]
            assert found
        for crd in found:
            assert problems(each, crd) == [], (each["metadata"]["name"], crd.release)


def test_every_custom_kind_is_rendered_somewhere(renderings: dict[str, Rendering]) -> None:
    kinds = {each["kind"] for rendering in renderings.values() for each in rendering.objects}
    assert {*CUSTOM, "HTTPRoute", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Job"} <= kinds


def test_the_route_is_the_gateway_api_s(renderings: dict[str, Rendering]) -> None:
    (route,) = renderings["existing-s3"].all("HTTPRoute")
    assert problems(route, http_route()) == []
    route = copy.deepcopy(route)
    route["spec"]["rules"][0]["backendRefs"][0]["targetPort"] = 80
    assert problems(route, http_route()) == [".spec.rules[0].backendRefs[0]: unknown field targetPort"]


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_the_helm_binary_renders_the_same(path: Path, renderings: dict[str, Rendering]) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("there is no helm on the PATH; the library was used")
    command = [helm, "template", "loupe", str(CHART), "--namespace", "ml", "-f", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    subprocess.run([helm, "lint", "--strict", str(CHART), "-f", str(path)], check=True, capture_output=True)

    def names(objects: list[Any]) -> set[tuple[str, str]]:
        return {(each["kind"], each["metadata"]["name"]) for each in objects if each}

    assert names(list(yaml.safe_load_all(text))) == names(renderings[path.stem].objects)


def test_names_follow_the_release() -> None:
    rendering = render(name="pictures", namespace="a")
    assert rendering.one("Deployment", "pictures-loupe-web")["metadata"]["namespace"] == "a"
    assert render({"fullnameOverride": "photo"}, name="pictures").one("Service", "photo-web")
    named = [
        each for each in render(read(CI[2]), name="b").objects if not each["metadata"]["name"].startswith("b-loupe")
    ]
    assert {each["kind"] for each in named} <= {"InferenceService", "PodDisruptionBudget"}


def test_the_schema_is_closed_and_described_at_every_level() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def walk(node: dict[str, Any], at: str) -> None:
        assert node.get("description"), f"{at}: no description"
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        if "object" in kinds and at != ".global":
            assert "additionalProperties" in node, f"{at}: open"
            if isinstance(node["additionalProperties"], dict):
                walk(node["additionalProperties"], f"{at}.*")
            else:
                assert node["additionalProperties"] is False, f"{at}: open"
        for name, each in node.get("properties", {}).items():
            walk(each, f"{at}.{name}")
        if "array" in kinds:
            walk(node["items"], f"{at}[]")

    walk(schema, "")
    values = read_values((CHART / "values.yaml").read_text())
    assert len(values) > 100
    assert described(copy.deepcopy(schema), values) == schema


def test_the_table_of_values_is_what_the_comments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["chart_values", "--check"])
    assert main() == 0
    with pytest.raises(ValueError, match=r"web\.jobs: got no comment"):
        read_values("web:\n  jobs: 2\n")


def test_versions_are_the_project_s() -> None:
    from loupe import __version__

    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == __version__
    images = {container["image"] for _, pod in render().pods() for container in pod.containers}
    assert images == {f"loupe-web:{__version__}", f"loupe-serving:{__version__}"}
    tagged = render({"image": {"registry": "registry.example/x", "tag": "2"}})
    assert (
        tagged.one("ServingRuntime", "loupe-native")["spec"]["containers"][0]["image"]
        == "registry.example/x/loupe-serving:2"
    )
