"""The InferenceService, against KServe's definitions of every release and the rules that no schema has."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import serving.transformer
from serving.inference_service import (
    HPA,
    KEDA,
    Canary,
    Concurrency,
    Service,
    Transformer,
    inference_service,
    kserve_release,
    service_name,
)
from serving.runtimes import NATIVE, TORCHSERVE, serving_runtime_native
from serving.settings import ServingSettings
from tests.crds import CRD, find_crds, problems

GIVEN: dict[str, Any] = {"name": "edsr-x4", "model": "edsr_x4", "storage_uri": "s3://loupe/models/edsr_x4/3"}
KEDA_QUEUE = KEDA(query="sum(loupe_requests_in_flight)", server="http://prometheus:9090", value="4")
NEXT = Canary(storage_uri="s3://loupe/models/edsr_x4/4", percent=10)
FULL: dict[str, Any] = {
    "namespace": "ml",
    "max_replicas": 5,
    "gpus": 1,
    "node_selector": {"pool": "gpu"},
    "tolerations": ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    "service_account": "loupe",
    "transformer": Transformer(image="serving:1", max_replicas=3),
    "env": {"LOUPE_BATCH_SIZE": "8"},
    "labels": {"team": "pictures"},
    "annotations": {"loupe/version": "3"},
}
OF_ALL_RELEASES = [
    {},
    FULL,
    {"autoscaling": HPA(percent=60), "max_replicas": 4},
    {**FULL, "autoscaling": KEDA_QUEUE, "min_replicas": 0},
    {"mode": "knative", "autoscaling": Concurrency(target=4, most=8), "min_replicas": 0, "max_replicas": 4},
    {**FULL, "mode": "knative", "canary": NEXT},
    {"runtime": TORCHSERVE, "transformer": Transformer(image="serving:1"), "kserve": "0.16"},
    {"kserve": "0.15"},
]


@cache
def definitions(folder: Path) -> list[CRD]:
    return find_crds(folder, "InferenceService")


def make(**given: Any) -> dict[str, Any]:
    return inference_service(Service(**{**GIVEN, **given}))


@pytest.mark.parametrize("given", OF_ALL_RELEASES)
def test_it_fits_every_release(crds: Path, given: dict[str, Any]) -> None:
    assert len({crd.release for crd in definitions(crds)}) >= 3
    for crd in definitions(crds):
        assert problems(make(**given), crd) == [], crd.release


def test_a_canary_in_standard_mode_fits_the_releases_that_have_it(crds: Path) -> None:
    manifest = make(**{**FULL, "canary": NEXT, "autoscaling": HPA(), "kserve": "0.20"})
    for crd in definitions(crds):
        said = [] if kserve_release(crd.release.removeprefix("kserve-")) >= (0, 20) else [".spec: unknown field canary"]
        assert problems(manifest, crd) == said, crd.release


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predictor": None}, "null"),
        ({"predictors": {}}, "unknown field predictors"),
        ({"predictor": {"minReplicas": "1"}}, "'1' is no integer"),
        ({"predictor": {"scaleMetric": "requests"}}, "is none of"),
        ({"predictor": {"model": {"storageUrl": "s3://x"}}}, "unknown field storageUrl"),
        ({"predictor": {"model": {"modelFormat": {}}}}, "no name"),
        ({"predictor": {"autoScaling": {"metrics": [{"resource": {"name": "cpu", "target": {}}}]}}}, "no type"),
        (
            {"predictor": {"autoScaling": {"metrics": [{"type": "Resource", "resource": {"name": "gpu"}}]}}},
            "is none of",
        ),
        ({"transformer": {"containers": [{"image": "x"}]}}, "no name"),
        ({"predictor": {"nodeSelector": {"pool": 1}}}, "1 is no string"),
    ],
)
def test_a_wrong_service_is_refused(crds: Path, change: dict[str, Any], said: str) -> None:
    for crd in definitions(crds):
        manifest = copy.deepcopy(make())
        manifest["spec"].update(change)
        assert any(said in problem for problem in problems(manifest, crd)), crd.release
    for crd in definitions(crds):
        without = {**make(), "spec": {}}
        assert ".spec: no predictor" in problems(without, crd)


@pytest.mark.parametrize(
    ("kserve", "mode", "said"),
    [
        ("0.15", "standard", "RawDeployment"),
        ("v0.15.2", "knative", "Serverless"),
        ("0.16", "standard", "Standard"),
        ("0.16.0", "knative", "Knative"),
        ("0.20", "standard", "Standard"),
        ("1.0", "knative", "Knative"),
    ],
)
def test_each_release_calls_its_modes_otherwise(kserve: str, mode: str, said: str) -> None:
    annotations = make(kserve=kserve, mode=mode)["metadata"]["annotations"]
    assert annotations["serving.kserve.io/deploymentMode"] == said


def test_the_predictor_serves_one_version_of_one_model() -> None:
    predictor = make(**FULL)["spec"]["predictor"]
    model = predictor["model"]
    assert (model["runtime"], model["protocolVersion"]) == (NATIVE, "v2")
    assert model["storageUri"] == "s3://loupe/models/edsr_x4/3"
    assert "name" not in model  # refused by the webhook
    assert {"name": "LOUPE_SERVE_MODELS", "value": "edsr_x4"} in model["env"]
    assert all(each["name"].removeprefix("LOUPE_").lower() in ServingSettings.model_fields for each in model["env"])
    runtime = serving_runtime_native(image="x")["spec"]
    assert model["modelFormat"]["name"] in [each["name"] for each in runtime["supportedModelFormats"]]
    assert model["protocolVersion"] in runtime["protocolVersions"]
    assert model["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert model["resources"]["requests"] == {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    assert predictor["nodeSelector"] == {"pool": "gpu"}
    assert predictor["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert predictor["serviceAccountName"] == "loupe"
    assert predictor["enableServiceLinks"] is False


def test_scaling_is_said_where_each_scaler_reads_it() -> None:
    hpa, keda = make(autoscaling=HPA(metric="memory", percent=60)), make(autoscaling=KEDA_QUEUE, min_replicas=0)
    for manifest, name in ((hpa, "hpa"), (keda, "keda")):
        assert manifest["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == name
        assert "scaleMetric" not in manifest["spec"]["predictor"]
    (metric,) = hpa["spec"]["predictor"]["autoScaling"]["metrics"]
    assert metric["resource"] == {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}}
    (metric,) = keda["spec"]["predictor"]["autoScaling"]["metrics"]
    assert metric["external"]["metric"]["query"] == KEDA_QUEUE.query
    assert metric["external"]["target"]["value"] == "4"
    knative = make(mode="knative", autoscaling=Concurrency(target=4, most=8))
    assert "serving.kserve.io/autoscalerClass" not in knative["metadata"]["annotations"]
    predictor = knative["spec"]["predictor"]
    assert (predictor["scaleMetric"], predictor["scaleTarget"], predictor["containerConcurrency"]) == (
        "concurrency",
        4,
        8,
    )


def test_a_canary_in_each_mode() -> None:
    knative = make(mode="knative", canary=NEXT)["spec"]
    assert knative["predictor"]["canaryTrafficPercent"] == 10
    assert knative["predictor"]["model"]["storageUri"].endswith("/4")
    assert "canary" not in knative
    standard = make(canary=NEXT, gpus=1)["spec"]
    assert "canaryTrafficPercent" not in standard["predictor"]
    assert standard["predictor"]["model"]["storageUri"].endswith("/3")
    (canary,) = standard["canary"]
    assert canary["trafficPercent"] == 10
    assert canary["predictor"]["model"]["storageUri"].endswith("/4")
    assert canary["predictor"]["model"]["resources"] == standard["predictor"]["model"]["resources"]


def test_the_transformer_fits_its_command_line() -> None:
    manifest = make(**{**FULL, "autoscaling": KEDA_QUEUE})
    transformer = manifest["spec"]["transformer"]
    (container,) = transformer["containers"]
    assert container["command"] == ["python", "-m", "serving.transformer"]
    app = typer.Typer()
    app.command()(serving.transformer.main)
    given = [*container["args"], "--predictor_host", "edsr-x4-predictor.ml", "--http_port", "8080"]  # the controller's
    context = typer.main.get_command(app).make_context("transformer", given)
    assert (context.params["model_name"], context.params["predictor_model"]) == ("edsr_x4", "edsr_x4")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert transformer["autoScaling"]["metrics"][0]["type"] == "Resource"
    assert "resources" in container


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "edsr_x4"}, "name: got 'edsr_x4'"),
        ({"kserve": "latest"}, "kserve: got 'latest'"),
        ({"kserve": "0.14"}, "0.15 or later"),
        ({"canary": NEXT, "kserve": "0.18"}, "canary: got KServe 0.18 in standard mode"),
        ({"min_replicas": 0}, "min_replicas: got 0"),
        ({"min_replicas": 3, "max_replicas": 2}, "replicas: got 3 to 2"),
        ({"mode": "knative", "autoscaling": HPA()}, "got HPA in knative mode"),
        ({"autoscaling": Concurrency(target=1)}, "got Concurrency in standard mode"),
    ],
)
def test_a_service_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**change)
    with pytest.raises(ValueError, match="percent: got 101"):
        Canary(storage_uri="s3://x", percent=101)


def test_pods_finish_what_they_work_on_before_they_go() -> None:
    for component in make(**FULL)["spec"].values():
        assert component["terminationGracePeriodSeconds"] == 80
        assert component["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert make(grace_seconds=200)["spec"]["predictor"]["terminationGracePeriodSeconds"] == 200
    (container,) = make(**FULL)["spec"]["transformer"]["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "10"]
    knative = make(**{**FULL, "mode": "knative", "autoscaling": None})["spec"]  # which refuses all of it
    for component in knative.values():
        assert not {"terminationGracePeriodSeconds", "deploymentStrategy"} & component.keys()
    assert "lifecycle" not in knative["transformer"]["containers"][0]


def test_a_name_without_underscores() -> None:
    assert service_name("edsr_fast_x4") == "edsr-fast-x4"
