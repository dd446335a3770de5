"""Values that cannot be are refused before anything is installed, saying what was got and what is expected."""

import copy
from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import render

S3 = {"enabled": True, "existingSecret": "keys"}
MODEL = {"name": "edsr_x4", "storageUri": "s3://loupe/models/edsr_x4/3"}
CANARY = {**MODEL, "canary": {"storageUri": "s3://loupe/models/edsr_x4/4", "percent": 10}}
PIPELINES = {"pipelines": {"enabled": True}, "storage": S3}

SCHEMA: list[tuple[dict[str, Any], str]] = [
    ({"webb": {}}, "webb"),
    ({"web": {"replica": 2}}, "replica"),
    ({"web": {"replicas": 0}}, "minimum"),
    ({"web": {"replicas": "2"}}, "want integer"),
    ({"web": {"resources": {"requests": {"cpu": "much"}}}}, "pattern"),
    ({"web": {"resources": {"claims": []}}}, "claims"),
    ({"web": {"tolerations": [{"key": "a", "operators": "Exists"}]}}, "operators"),
    ({"web": {"inferenceUrl": "http://user:secret@models"}}, "pattern"),
    ({"image": {"tag": "latest"}}, "tag"),
    ({"image": {"pullPolicy": "Sometimes"}}, "Always"),
    ({"web": {"image": {"digest": "sha256:abc"}}}, "digest"),
    ({"inference": {"mode": "serverless"}}, "standard"),
    ({"inference": {"kserve": "latest"}}, "kserve"),
    ({"inference": {"runtime": "triton"}}, "torchserve"),
    ({"models": [{"name": "EDSR-x4"}]}, "pattern"),
    ({"models": [{"storageUri": "s3://x/y"}]}, "name"),
    ({"models": [{"name": "edsr_x4", "storage": "s3://x"}]}, "storage"),
    ({"models": [{**MODEL, "canary": {"storageUri": "s3://x/y", "percent": 101}}]}, "maximum"),
    ({"storage": {"uri": "file:///data"}}, "pattern"),
    ({"storage": {"endpoint": "objects:9000"}}, "pattern"),
    ({"storage": {"bundled": {"image": "chrislusf/seaweedfs:latest"}}}, "image"),
    ({"pipelines": {"drift": {"cron": "0 3 * * *"}}}, "pattern"),
    ({"pipelines": {"upload": ["train"]}}, "train_and_deploy"),
    ({"monitoring": {"rules": {"errorShare": 2}}}, "maximum"),
    ({"networkPolicy": {"pageFrom": [{"pod": {}}]}}, "pod"),
]

TOGETHER: list[tuple[dict[str, Any], str]] = [
    ({"inference": {"enabled": False}}, "web.inferenceUrl: got nothing while inference.enabled is false"),
    ({"web": {"replicas": 2}}, "web.replicas: got more than 1 without storage"),
    ({"web": {"autoscaling": {"enabled": True}}}, "web.replicas: got more than 1 without storage"),
    (
        {"web": {"autoscaling": {"enabled": True, "minReplicas": 9}}, "storage": S3},
        "web.autoscaling: got 9 to 6 pods, expected minReplicas <= maxReplicas",
    ),
    ({"web": {"httpRoute": {"enabled": True}}}, "web.httpRoute.parentRefs: got none"),
    ({"storage": {"enabled": True}}, "storage.existingSecret: got none"),
    (
        {"storage": {"enabled": True, "endpoint": "http://x:9000", "bundled": {"enabled": True}}},
        "storage.endpoint: got one besides the bundled server",
    ),
    (
        {"storage": {**S3, "bundled": {"enabled": True}}},
        "storage.existingSecret: got one besides the bundled server",
    ),
    ({"pipelines": {"enabled": True}}, "pipelines.enabled: got it without storage"),
    ({"pipelines": {"drift": {"enabled": True}}}, "pipelines.drift.enabled: got it without pipelines.enabled"),
    (
        {"pipelines": {"enabled": True, "drift": {"enabled": True}}, "storage": S3},
        "pipelines.drift.model: got none, expected the model that is watched",
    ),
    ({"features": {"enabled": True}}, "features.enabled: got it without pipelines.enabled"),
    ({"inference": {"kserve": "0.14"}}, "inference.kserve: got 0.14, expected 0.15 or later"),
    (
        {"inference": {"mode": "knative", "autoscaling": {"by": "hpa"}}},
        "inference.autoscaling.by: got hpa in knative mode, expected none or concurrency",
    ),
    (
        {"inference": {"autoscaling": {"by": "concurrency"}}},
        "inference.autoscaling.by: got concurrency in standard mode, expected none, hpa or keda",
    ),
    ({"models": [{"name": "edsr_x4"}, {"name": "edsr_x4"}]}, "models: got edsr_x4 twice"),
    ({"models": [{"name": "edsr_x4", "minReplicas": 2}]}, "models: got 2 to 1 pods of edsr_x4"),
    ({"inference": {"minReplicas": 0}}, "models: got minReplicas 0 of edsr_light_x4, expected 1 or more, or keda"),
    (
        {"inference": {"runtime": "torchserve"}},
        "models: got no storageUri of edsr_light_x4 with the runtime torchserve",
    ),
    (
        {
            "inference": {"runtime": "torchserve", "autoscaling": {"by": "keda"}},
            "models": [MODEL],
            "storage": S3,
        },
        "inference.autoscaling.keda.query: got none for TorchServe",
    ),
    ({"models": [MODEL]}, "models: got storageUri s3://loupe/models/edsr_x4/3 of edsr_x4 without storage"),
    (
        {"models": [CANARY], "storage": S3, "inference": {"kserve": "0.18"}},
        "models: got a canary of edsr_x4 with KServe 0.18 in standard mode, expected 0.20 or later",
    ),
    (
        {"models": [CANARY], "storage": S3},
        "web.inferenceUrl: got none with a canary of edsr_x4 in standard mode",
    ),
    (
        {"models": [{"name": "edsr_x4", "canary": CANARY["canary"]}], "storage": S3},
        "models: got a canary of edsr_x4 without storageUri",
    ),
]


@pytest.mark.parametrize(("values", "said"), SCHEMA, ids=[str(values) for values, _ in SCHEMA])
def test_what_the_schema_refuses(values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(values)
    assert "values don't meet the specifications" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(("values", "said"), TOGETHER, ids=[said for _, said in TOGETHER])
def test_what_does_not_fit_together(values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(copy.deepcopy(values))
    assert said in str(refused.value)


def test_notes_tell_the_next_command() -> None:
    notes = render({"models": [{"name": "edsr_fast_x4"}]}).notes
    assert "kubectl -n ml wait --for=condition=Ready --timeout=10m inferenceservice/edsr-fast-x4" in notes
    assert "helm -n ml test loupe" in notes
    assert "kubectl -n ml port-forward svc/loupe-web 8000:80" in notes
    assert "There is no storage" in notes
    endpoint = {"storage": {**S3, "endpoint": "https://objects:9000", "region": "x"}}
    notes = " ".join(render(endpoint).notes.replace("\\\n", " ").split())
    assert (
        "annotate secret keys --overwrite serving.kserve.io/s3-endpoint=objects:9000 serving.kserve.io/s3-usehttps=1"
        in notes
    )
    notes = " ".join(render(PIPELINES).notes.replace("\\\n", " ").split())
    assert "submit train_and_deploy" in notes
    assert "--image=loupe-worker:0.1.0 --secret=keys --config-map=loupe-storage" in notes
    assert "--pipeline-namespace=ml --service='{" in notes
    web = {"web": {"ingress": {"enabled": True, "host": "a.example"}, "inferenceUrl": "http://{model}.x"}}
    assert "http://a.example\n" in render(web).notes
    assert "10% of the requests go to" in render({**web, "models": [CANARY], "storage": S3}).notes
