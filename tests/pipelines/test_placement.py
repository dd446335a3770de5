"""What a placement makes of a step in both documents of the YAML, and that the step still runs on this machine."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from kfp import dsl
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

from pipelines.catalogue import PIPELINES, build
from pipelines.compiling import write_yaml
from pipelines.placement import LAPTOP, Placement, Toleration
from pipelines.running import local_runner

FULL = Placement(
    secret="loupe-s3",
    config_map="loupe",
    volume_claim="loupe-data",
    volume_path="/mnt/data",
    gpus=2,
    node_selector={"kubernetes.io/arch": "amd64"},
    tolerations=(Toleration(key="nvidia.com/gpu"), Toleration(key="for", value="loupe", effect="NoSchedule")),
    image_pull_secrets=("registry",),
)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


def one_step(placement: Placement, **needs: Any) -> Any:
    def pipeline(number: int = 21) -> int:
        task = placement.place(double(number=number), **needs)
        return task.output  # type: ignore[no-any-return]

    return dsl.pipeline(name="one-step")(pipeline)


def compiled(pipeline: Any, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline's document and the platform's; the latter empty when there is none."""
    documents = list(yaml.safe_load_all(write_yaml(pipeline, folder / "made.yaml").read_text()))
    return documents[0], documents[1] if len(documents) > 1 else {}


def test_a_step_says_what_it_needs(tmp_path: Path) -> None:
    spec, platform = compiled(one_step(Placement(), cpu="500m", memory="3Gi", gpu=True, retries=4), tmp_path)
    assert spec["deploymentSpec"]["executors"]["exec-double"]["container"]["resources"] == {
        "cpuLimit": 0.5,
        "cpuRequest": 0.5,
        "memoryLimit": pytest.approx(3 * 1.073741824),
        "memoryRequest": pytest.approx(3 * 1.073741824),
        "resourceCpuLimit": "500m",
        "resourceCpuRequest": "500m",
        "resourceMemoryLimit": "3Gi",
        "resourceMemoryRequest": "3Gi",
    }
    task = spec["root"]["dag"]["tasks"]["double"]
    assert task["retryPolicy"] == {
        "maxRetryCount": 4,
        "backoffDuration": "30s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "600s",
    }
    assert task["cachingOptions"] == {"enableCache": True}
    assert platform == {}


def test_gpus_go_to_steps_that_use_them(tmp_path: Path) -> None:
    spec, _ = compiled(one_step(Placement(gpus=2), gpu=True), tmp_path)
    resources = spec["deploymentSpec"]["executors"]["exec-double"]["container"]["resources"]
    assert resources["accelerator"] == {
        "count": "2",
        "resourceCount": "2",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }
    spec, _ = compiled(one_step(Placement(gpus=2)), tmp_path)
    assert "accelerator" not in spec["deploymentSpec"]["executors"]["exec-double"]["container"]["resources"]


def test_a_placement_overrides_retries_and_the_cache(tmp_path: Path) -> None:
    spec, _ = compiled(one_step(Placement(retries=0, caching=False), retries=4), tmp_path)
    task = spec["root"]["dag"]["tasks"]["double"]
    assert "retryPolicy" not in task
    assert task["cachingOptions"] == {}
    spec, _ = compiled(one_step(Placement(retries=7), cache=False), tmp_path)
    task = spec["root"]["dag"]["tasks"]["double"]
    assert task["retryPolicy"]["maxRetryCount"] == 7
    assert task["cachingOptions"] == {}


def test_the_platform_gets_the_rest(tmp_path: Path) -> None:
    _, platform = compiled(one_step(FULL), tmp_path)
    made = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-double"]
    config = ParseDict(made, KubernetesExecutorConfig())  # what the cluster's driver reads, strictly
    (secret,) = config.secret_as_env
    assert (secret.secret_name, secret.optional) == ("loupe-s3", False)
    assert {pair.secret_key: pair.env_var for pair in secret.key_to_env} == {
        "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    }
    told = [(m.config_map_name, m.optional, [p.env_var for p in m.key_to_env]) for m in config.config_map_as_env]
    assert told == [("loupe", False, ["LOUPE_STORAGE"]), ("loupe", True, ["S3_ENDPOINT_URL", "AWS_REGION"])]
    assert [(m.constant, m.mount_path) for m in config.pvc_mount] == [("loupe-data", "/mnt/data")]
    assert dict(config.node_selector.labels) == {"kubernetes.io/arch": "amd64"}
    assert [(t.key, t.operator, t.value, t.effect) for t in config.tolerations] == [
        ("nvidia.com/gpu", "Exists", "", ""),
        ("for", "Equal", "loupe", "NoSchedule"),
    ]
    assert [s.secret_name for s in config.image_pull_secret] == ["registry"]


@pytest.mark.parametrize("name", PIPELINES)
def test_every_step_of_every_pipeline_is_placed(name: str, tmp_path: Path) -> None:
    spec, platform = compiled(build(name, FULL), tmp_path)
    executors = spec["deploymentSpec"]["executors"]
    assert platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].keys() == executors.keys()
    assert all("resourceMemoryLimit" in executor["container"]["resources"] for executor in executors.values())


def test_downloads_lie_on_the_claim() -> None:
    assert build("prepare_data").component_spec.inputs["store"].default == "runs/data"
    assert build("prepare_data", FULL).component_spec.inputs["store"].default == "/mnt/data/store"


@pytest.mark.parametrize("placement", [LAPTOP, FULL], ids=["laptop", "cluster"])
def test_a_placed_step_runs_on_this_machine(placement: Placement, tmp_path: Path) -> None:
    with local_runner(tmp_path):
        assert one_step(placement, gpu=True, cache=False)(number=4).output == 8


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"secret": "Loupe"}, "secret: got 'Loupe'"),
        ({"config_map": "a_b"}, "config_map: got 'a_b'"),
        ({"volume_claim": "a" * 254}, "volume_claim: got 'aaa"),
        ({"volume_path": "data"}, "volume_path: got 'data', expected an absolute path other than /"),
        ({"volume_path": "/"}, "volume_path: got '/'"),
        ({"gpus": -1}, "gpus: got -1, expected 0 or more"),
        ({"retries": -1}, "retries: got -1"),
        ({"accelerator": "a b"}, "accelerator: got 'a b'"),
        ({"node_selector": {"-a": "b"}}, "node_selector's label: got '-a'"),
        ({"node_selector": {"a": "b c"}}, "node_selector's a: got 'b c'"),
        ({"image_pull_secrets": ("a", "")}, "image_pull_secrets: got ''"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Placement(**wrong)


@pytest.mark.parametrize("wrong", [{"key": ""}, {"key": "a", "value": "b c"}, {"key": "a", "effect": "Never"}])
def test_a_wrong_toleration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"toleration's .*: got .*, expected"):
        Toleration(**wrong)


@pytest.mark.parametrize("wrong", [{"cpu": "0"}, {"cpu": "1.5m"}, {"cpu": "two"}, {"memory": "2"}, {"memory": "2GB"}])
def test_wrong_needs_are_refused(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: got"):
        compiled(one_step(Placement(), **wrong), tmp_path)
