"""What the chart tells pipelines is what their command line and their steps understand."""

import json
from collections.abc import Mapping

from pipelines.arguments import parse, placement_of, server_of, timing_of, values_of
from pipelines.catalogue import build
from pipelines.placement import ADDRESS, CREDENTIALS, STORAGE
from serving.publishing import OnCluster, manifest_of
from tests.charts.rendering import Rendering, render
from training.features.repository import FeatureSettings
from training.step import Place


def test_the_upload_is_understood(renderings: Mapping[str, Rendering]) -> None:
    (job,) = [each for each in renderings["full"].all("Job") if "-upload-" in each["metadata"]["name"]]
    pod = job["spec"]["template"]["spec"]
    (uploading,), (scheduling,) = pod["initContainers"], pod["containers"]
    assert uploading["command"] == ["python", "-m", "pipelines", "upload"]
    options = parse(["upload", *uploading["args"]])
    placement = placement_of(options)
    assert (placement.secret, placement.config_map, placement.features_secret) == (
        "loupe-s3",
        "loupe-storage",
        "loupe-redis",
    )
    assert (placement.volume_claim, placement.gpus) == ("loupe-data", 1)
    assert options.image == "loupe-worker:0.1.0"
    token = options.token_file
    options.token_file = None
    assert server_of(options, {}).namespace == "ml"
    options = parse([*scheduling["command"][3:], *scheduling["args"]])
    assert (options.command, options.name, options.token_file) == ("schedule", "watch_drift", token)
    assert timing_of(options).cron == "0 0 3 * * *"
    values = values_of(options, build("watch_drift"))
    assert values["model"] == "edsr_fast_x4_custom"
    assert (values["data"], values["steps"], values["namespace"]) == ("s3://photos/new", 20000, "ml")
    mount = next(each for each in uploading["volumeMounts"] if each["name"] == "token")
    assert str(token) == f"{mount['mountPath']}/token"
    # What it publishes is served as the chart serves its own
    on = OnCluster(cluster=_Nowhere(), service=dict(values["service"]))  # type: ignore[call-overload,arg-type]
    published = manifest_of("edsr_fast_x4_custom", "4", "s3://loupe", on)["spec"]["predictor"]
    own = renderings["full"].one("InferenceService", "edsr-light-x4")["spec"]["predictor"]
    for name in ("serviceAccountName", "terminationGracePeriodSeconds", "deploymentStrategy", "minReplicas"):
        assert published[name] == own[name]
    assert published["model"]["runtime"] == own["model"]["runtime"]


class _Nowhere:
    """As much of a cluster as a manifest needs."""

    namespace = "ml"


def test_without_drift_the_schedule_is_taken_away() -> None:
    values = {"pipelines": {"enabled": True}, "storage": {"enabled": True, "existingSecret": "s3"}}
    (job,) = render(values).all("Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    options = parse([*container["command"][3:], *container["args"]])
    assert options.delete
    assert options.run_name == "loupe-drift"
    values["image"] = {"tag": "9"}
    (other,) = render(values).all("Job")
    assert other["metadata"]["name"] != job["metadata"]["name"], "a Job cannot be changed"


def test_storage_and_features_are_where_the_code_looks(renderings: Mapping[str, Rendering]) -> None:
    data = renderings["full"].one("ConfigMap", "loupe-storage")["data"]
    assert set(data) <= {STORAGE, *ADDRESS}
    assert data["S3_ENDPOINT_URL"] == "http://loupe-storage.ml.svc.cluster.example:8333"
    secret = renderings["full"].one("Secret", "loupe-s3")["stringData"]
    assert {*CREDENTIALS} <= secret.keys()
    assert Place().secret == "loupe-s3"
    redis = renderings["full"].one("Secret", "loupe-redis")["stringData"]
    address = redis["LOUPE_FEATURES_REDIS"]
    assert FeatureSettings(redis=address).redis == address
    assert address.endswith(f",password={redis['password']}")
    assert f"requirepass {redis['password']}" in redis["redis.conf"]
    assert redis["redis"].strip() == f"connection_string: {address}"
    identity = json.loads(secret["s3.json"])["identities"][0]["credentials"][0]
    assert identity == {"accessKey": secret[CREDENTIALS[0]], "secretKey": secret[CREDENTIALS[1]]}
