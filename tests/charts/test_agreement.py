"""The chart and the code say the same: manifests made in Python, rights, settings, command lines, ports."""

from collections.abc import Mapping
from typing import Any

import pytest
import typer

import serving.__main__
import serving.cluster
import serving.transformer
import training.api_server
from frontend.settings import WebSettings
from pipelines.placement import CREDENTIALS
from serving.inference_service import (
    HPA,
    KEDA,
    Canary,
    Concurrency,
    Service,
    Transformer,
    inference_service,
    service_name,
)
from serving.runtimes import FORMAT, NATIVE, TORCHSERVE, serving_runtime_native, serving_runtime_torchserve
from serving.settings import ServingSettings
from tests.charts.rendering import Object, Rendering, effective, render

OURS = ("topologySpreadConstraints", "imagePullSecrets")  # what the chart alone says


def environment(container: Object) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container.get("env", ())}


def stripped(component: Object) -> Object:
    """A predictor or transformer without what the chart alone says, and with variables by name."""
    left = {key: value for key, value in component.items() if key not in OURS}
    if "model" in left:
        left["model"] = {**left["model"], "env": environment(left["model"])}
    if "containers" in left:
        (container,) = left["containers"]
        left["containers"] = [{**container, "env": {}, "imagePullPolicy": ""}]  # of the whole server, by values
    return left


def as_service(values: Mapping[str, Any], model: Mapping[str, Any]) -> Service:
    """What ``serving/inference_service.py`` is to be given for a model of the chart."""
    own = {**values["inference"], **model}
    by = own["autoscaling"]["by"]
    scaling: HPA | KEDA | Concurrency | None = None
    if by == "hpa":
        scaling = HPA(**own["autoscaling"]["hpa"])
    elif by == "keda":
        component, none = "predictor", not own["minReplicas"]
        query = f'sum(loupe_requests_in_flight{{model="{model["name"]}", namespace="ml", component="{component}"}})'
        query += " or vector(0)" + ' + (sum(loupe_web_jobs_running{namespace="ml"}) or vector(0))' * none
        keda = own["autoscaling"]["keda"]
        scaling = KEDA(query=query, server=keda["server"], value=keda["tilesPerPod"])
    elif by == "concurrency":
        limit = own["autoscaling"]["concurrency"]
        scaling = Concurrency(target=limit["target"], most=limit["most"] or None)
    transformer = None
    if own["transformer"]["enabled"]:
        image = "loupe-serving:0.1.0"
        if digest := own["image"]["digest"]:
            image = f"{values['image']['registry']}/loupe-serving@{digest}"
        known = own["transformer"]
        transformer = Transformer(
            image=image,
            cpu=known["cpu"],
            memory=known["memory"],
            min_replicas=known["minReplicas"],
            max_replicas=known["maxReplicas"],
        )
    canary = model.get("canary")
    gpu = {**values["inference"]["gpu"], **model.get("gpu", {})}
    return Service(
        name=service_name(model["name"]),
        model=model["name"],
        storage_uri=model.get("storageUri", "s3://not/said"),
        namespace="ml",
        runtime=f"loupe-{own['runtime']}",
        kserve=own["kserve"],
        mode=own["mode"],
        min_replicas=own["minReplicas"],
        max_replicas=own["maxReplicas"],
        autoscaling=scaling,
        canary=Canary(storage_uri=canary["storageUri"], percent=canary["percent"]) if canary else None,
        transformer=transformer,
        cpu=own["cpu"],
        memory=own["memory"],
        gpus=gpu["count"],
        gpu_resource=gpu["resource"],
        node_selector=own["nodeSelector"],
        tolerations=tuple(own["tolerations"]),
        service_account="loupe-serving",
        env={name: str(value) for name, value in sorted(own["env"].items())},
    )


def test_inference_services_are_those_of_python(rendering: Rendering) -> None:
    values = effective(rendering.values)
    services = rendering.all("InferenceService")
    assert len(services) == len(values["models"])
    for model in values["models"]:
        made = rendering.one("InferenceService", service_name(model["name"]))
        expected = inference_service(as_service(values, model))
        if "storageUri" not in model:
            del expected["spec"]["predictor"]["model"]["storageUri"]
        assert made["metadata"]["annotations"] == expected["metadata"]["annotations"]
        assert expected["metadata"]["labels"].items() <= made["metadata"]["labels"].items()
        assert made["spec"].keys() == expected["spec"].keys()
        for name in ("predictor", "transformer"):
            if name in expected["spec"]:
                assert stripped(made["spec"][name]) == stripped(expected["spec"][name])
        for got, wanted in zip(made["spec"].get("canary", ()), expected["spec"].get("canary", ()), strict=True):
            assert got["trafficPercent"] == wanted["trafficPercent"]
            assert stripped(got["predictor"]) == stripped(wanted["predictor"])


@pytest.mark.parametrize(("name", "make"), [(NATIVE, serving_runtime_native), (TORCHSERVE, serving_runtime_torchserve)])
def test_runtimes_are_those_of_python(rendering: Rendering, name: str, make: Any) -> None:
    values = effective(rendering.values)["inference"]
    made = rendering.one("ServingRuntime", name)["spec"]
    (container,) = made["containers"]
    drain = 0 if values["mode"] == "knative" else values["drainSeconds"]
    expected = make(image=container["image"], namespace="ml", drain_seconds=drain)["spec"]
    (wanted,) = expected["containers"]
    assert environment(wanted).items() <= environment(container).items()
    assert {key: value for key, value in container.items() if key not in ("env", "imagePullPolicy")} == {
        key: value for key, value in wanted.items() if key != "env"
    }
    rest = {key: value for key, value in made.items() if key not in ("containers", "imagePullSecrets")}
    assert rest == {key: value for key, value in expected.items() if key != "containers"}
    assert made["supportedModelFormats"][0]["name"] == FORMAT


def test_the_time_for_loading_reaches_the_probes() -> None:
    rendering = render({"inference": {"loadSeconds": 600}})
    for name, make in ((NATIVE, serving_runtime_native), (TORCHSERVE, serving_runtime_torchserve)):
        probe = rendering.one("ServingRuntime", name)["spec"]["containers"][0]["startupProbe"]
        assert probe == make(image="x", load_seconds=600)["spec"]["containers"][0]["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] == 600


def test_rights_are_exactly_the_calls_of_the_code(renderings: Mapping[str, Rendering]) -> None:
    role = renderings["full"].one("Role", "loupe-runner")
    needed: dict[tuple[str, str], set[str]] = {}
    for rule in (*serving.cluster.RULES, *training.api_server.RULES):
        for resource in rule["resources"]:
            needed.setdefault((rule["apiGroups"][0], resource), set()).update(rule["verbs"])
    given: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        (group,), (resource,) = rule["apiGroups"], rule["resources"]
        given.setdefault((group, resource), set()).update(rule["verbs"])
    assert given == needed
    kinds = {each["kind"] for rendering in renderings.values() for each in rendering.objects}
    assert not {"ClusterRole", "ClusterRoleBinding"} & kinds
    assert all(not rendering.all("Role") for name, rendering in renderings.items() if name != "full")


def test_every_variable_of_ours_is_a_setting(rendering: Rendering) -> None:
    fields = WebSettings.model_fields.keys(), ServingSettings.model_fields.keys()
    for owner, pod in rendering.pods():
        known = fields[0] if owner["kind"] == "Deployment" else fields[1]
        for container in pod.containers:
            for name in environment(container):
                if name.startswith("LOUPE_"):
                    assert name.removeprefix("LOUPE_").lower().partition("__")[0] in known, name
                else:
                    assert (
                        name in {*CREDENTIALS, "HOME", "TMPDIR", "LOG_LOCATION", "METRICS_LOCATION"}
                        or name[:3] == "TS_"
                    )


def test_the_page_s_settings_are_what_the_values_say(
    renderings: Mapping[str, Rendering], monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = renderings["gpu"].one("Deployment", "loupe-web")["spec"]["template"]["spec"]["containers"]
    for name, value in environment(container).items():
        monkeypatch.setenv(name, value)
    settings = WebSettings()
    assert (settings.web_host, settings.web_port) == ("0.0.0.0", container["ports"][0]["containerPort"])
    assert settings.offer_models == ("edsr_light_x4", "edsr_fast_x2")
    assert settings.inference_url == "http://{model}-predictor.ml.svc.cluster.local"
    assert (settings.jobs, settings.job_requests, settings.grace_seconds) == (4, 16, 120)
    assert settings.results_ttl == 24 * 3600
    assert settings.limits.max_pixels_out == 400_000_000
    # edsr_fast_x2 scales to none: were the page not ready then, nobody could wake it
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    (other,) = renderings["full"].one("Deployment", "loupe-web")["spec"]["template"]["spec"]["containers"]
    assert environment(other)["LOUPE_INFERENCE_URL"] == "http://{model}-transformer.ml.svc.cluster.example"
    assert other["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert other["readinessProbe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "photos.example.com"}]


def test_models_get_the_settings_that_the_values_say(
    renderings: Mapping[str, Rendering], monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = {
        owner["metadata"]["name"]: pod for owner, pod in renderings["gpu"].pods() if owner["kind"] == "InferenceService"
    }
    for name, value in environment(pods["edsr-light-x4"].containers[0]).items():
        monkeypatch.setenv(name, value)
    settings = ServingSettings()
    assert (settings.backend, settings.compile, settings.model_names) == ("torch", True, ("edsr_light_x4",))
    assert (settings.running, settings.waiting, settings.grace_seconds) == (8, 128, 60)
    assert pods["edsr-light-x4"].containers[0]["resources"]["limits"] == {"memory": "16Gi", "nvidia.com/gpu": "1"}
    assert "nvidia.com/gpu" not in pods["edsr-fast-x2"].containers[0]["resources"]["limits"]


def test_command_lines_are_understood(rendering: Rendering) -> None:
    applications = {"serving": serving.__main__.main, "serving.transformer": serving.transformer.main}
    seen = set()
    for _, pod in rendering.pods():
        for container in pod.containers:
            command = container.get("command", [])
            if command[:2] != ["python", "-m"] or command[2] not in applications:
                continue
            app = typer.Typer()
            app.command()(applications[command[2]])
            # as KServe's controller adds for a transformer
            more = ["--predictor_host", "x:80", "--http_port", "8080"] if command[2] != "serving" else []
            context = typer.main.get_command(app).make_context(command[2], [*container["args"], *more])
            assert context.params
            seen.add(command[2])
    assert seen or rendering.values["inference"]["runtime"] == "torchserve"
