"""Packages published here and on a cluster, of which there is as much as tests/serving/kubernetes_api.py."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loupe.cluster import ClusterError, connect
from loupe.errors import InvalidOption, VersionConflict
from loupe.storage import FileStorage, Storage, open_storage
from loupe.versions import promote, read_pointer, show
from serving.cluster import RULES, Cluster, NotReady
from serving.model_registry import ModelRegistry, RegistryError
from serving.packaging import Package
from serving.publishing import OnCluster, publish, register_package, take_back
from serving.smoke import SmokeFailed, try_package
from tests.crds import find_crds
from tests.serving.kubernetes_api import API, running_api
from tests.serving.packages import packaged

# model_archiver opens its version file on import and leaves closing it to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*model_archiver:ResourceWarning")
URI = "s3://models/deep"


@pytest.fixture(scope="module")
def packages(tiny_models: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Package]:
    """Versions 1 and 2."""
    folder = tmp_path_factory.mktemp("packages")
    return [packaged(tiny_models, photos, folder, version) for version in ("1", "2")]


@pytest.fixture
def bucket(s3: Callable[[str], str]) -> Storage:
    s3("models")
    return open_storage(URI)


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[API]:
    """Strict about what is applied, where KServe's definitions are at hand."""
    from tests.conftest import CRDS

    found = (
        [crd for crd in find_crds(CRDS, "InferenceService") if crd.release == "kserve-v0.20.0"] if CRDS.is_dir() else []
    )
    with running_api(found[0] if found else None) as api:
        yield api


def on(api: API, *, timeout: float = 20.0, canary: int = 0, **service: Any) -> OnCluster:
    cluster = Cluster(api.client(), "ml", poll=0.01)
    return OnCluster(cluster=cluster, service=service, canary=canary, timeout=timeout)


def current(storage: Storage) -> str | None:
    pointer = read_pointer(storage, "tiny_x4")
    return pointer.current if pointer else None


def test_without_a_cluster_it_is_promoted(packages: list[Package], tmp_path: Path) -> None:
    storage, told = FileStorage(tmp_path), list[str]()
    for package in (*packages, packages[1]):  # the last step is repeated
        assert publish(package, f"file://{tmp_path}", told=told.append) == ""
    assert current(storage) == "2"
    assert len(read_pointer(storage, "tiny_x4").history) == 2  # type: ignore[union-attr]
    assert "tiny_x4 version 2 serves" in told
    assert show(storage, "tiny_x4", "2").lineage == packages[1].lineage
    assert storage.exists("models/tiny_x4/2/model-store/tiny_x4.mar")


def test_another_checkpoint_of_that_number_is_refused(
    packages: list[Package], models_dir: Path, photos: Path, tmp_path: Path
) -> None:
    storage = FileStorage(tmp_path / "store")
    register_package(storage, packages[0])
    other = packaged(models_dir, photos, tmp_path, "1")
    with pytest.raises(VersionConflict, match=r"registered already.*such as 2"):
        publish(other, f"file://{storage.root}")
    storage.write("models/tiny_x4/1/tiny_x4.safetensors", b"changed")
    with pytest.raises(VersionConflict, match="registered already"):
        register_package(storage, packages[0])


def test_on_a_cluster_it_waits_for_the_new_pods(packages: list[Package], bucket: Storage, api: API) -> None:
    told: list[str] = []
    for package in packages:
        url = publish(package, URI, on=on(api, service_account="loupe", gpus=1.0), told=told.append)
        assert url == "http://tiny-x4.ml.svc.cluster.local"
        assert api.looks == 4
    assert current(bucket) == "2"
    model = api.services["tiny-x4"]["spec"]["predictor"]["model"]
    assert model["storageUri"] == f"{URI}/models/tiny_x4/2"
    assert model["resources"]["limits"]["nvidia.com/gpu"] == "1"
    for line in (
        "tiny-x4: generation 2 is applied in ml",
        "tiny-x4: KServe has seen generation 1, expected 2",
        "tiny-x4: pod old of another version is still there",
        "tiny-x4: pod new-0 is not ready: Running",
        "tiny_x4 version 2 serves",
    ):
        assert line in "\n".join(told)
    publish(packages[1], URI, on=on(api, service_account="loupe", gpus=1), told=told.append)  # repeated
    assert api.services["tiny-x4"]["metadata"]["generation"] == 2
    assert len(read_pointer(bucket, "tiny_x4").history) == 2  # type: ignore[union-attr]


def test_what_does_not_come_up_is_taken_back(packages: list[Package], bucket: Storage, api: API) -> None:
    publish(packages[0], URI, on=on(api))
    api.broken.add(f"{URI}/models/tiny_x4/2")
    with pytest.raises(NotReady) as failure:
        publish(packages[1], URI, on=on(api, timeout=0.3))
    said = str(failure.value)
    assert "InferenceService ml/tiny-x4 did not become ready within 0.3 s" in said
    assert "PredictorReady is False: MinimumReplicasUnavailable" in said
    assert "pod new-0 is not ready: kserve-container CrashLoopBackOff back-off 5m0s" in said
    assert "version 1 serves, and is applied in ml again" in said
    assert api.uris("tiny-x4") == [f"{URI}/models/tiny_x4/1"]
    assert current(bucket) == "1"
    assert show(bucket, "tiny_x4", "2").stage == "candidate"


def test_a_first_version_that_does_not_come_up_is_not_promoted(
    packages: list[Package], bucket: Storage, api: API
) -> None:
    api.broken.add(f"{URI}/models/tiny_x4/1")
    with pytest.raises(NotReady, match=r"none was served before.*stays as it is, to be looked at"):
        publish(packages[0], URI, on=on(api, timeout=0.2))
    assert current(bucket) is None
    promote(bucket, "tiny_x4", "1")  # by hand; then the step is repeated
    with pytest.raises(NotReady):
        publish(packages[0], URI, on=on(api, timeout=0.2))
    assert current(bucket) is None


@pytest.mark.parametrize("mode", ["standard", "knative"])
def test_a_canary_gets_its_share_and_the_pointer_stays(
    packages: list[Package], bucket: Storage, api: API, mode: str
) -> None:
    told: list[str] = []
    with pytest.raises(InvalidOption, match="canary: got 10, expected 0: no version of tiny_x4 serves beside it"):
        publish(packages[0], URI, on=on(api, canary=10, mode=mode))
    assert api.applied == []
    publish(packages[0], URI, on=on(api, mode=mode))
    publish(packages[1], URI, on=on(api, canary=10, mode=mode), told=told.append)
    assert current(bucket) == "1"
    assert "version 2 gets 10% of the requests; version 1 stays the one that serves" in told[-1]
    spec = api.services["tiny-x4"]["spec"]
    if mode == "standard":
        assert api.uris("tiny-x4") == [f"{URI}/models/tiny_x4/1", f"{URI}/models/tiny_x4/2"]
        assert spec["canary"][0]["trafficPercent"] == 10
    else:
        assert api.uris("tiny-x4") == [f"{URI}/models/tiny_x4/2"]
        assert spec["predictor"]["canaryTrafficPercent"] == 10
    said = take_back(URI, "tiny_x4", "2", on=on(api, canary=10, mode=mode))
    assert said == "version 1 serves, and is applied in ml again"
    assert api.uris("tiny-x4") == [f"{URI}/models/tiny_x4/1"]
    publish(packages[1], URI, on=on(api, mode=mode))
    assert current(bucket) == "2"
    assert "canary" not in api.services["tiny-x4"]["spec"]
    assert "canaryTrafficPercent" not in api.services["tiny-x4"]["spec"]["predictor"]


def test_fields_that_others_changed_are_taken_back_and_said(packages: list[Package], bucket: Storage, api: API) -> None:
    told: list[str] = []
    api.conflict = 'Apply failed with 1 conflict: conflict with "kubectl-edit": .spec.predictor.maxReplicas'
    publish(packages[0], URI, on=on(api), told=told.append)
    assert api.forced == [False, True]
    assert any('changed: Apply failed with 1 conflict: conflict with "kubectl-edit"' in line for line in told)
    api.always_conflict = True
    with pytest.raises(ClusterError, match=r"cannot be applied.*kubectl-edit.*somebody else changes it"):
        publish(packages[1], URI, on=on(api))
    assert current(bucket) == "1"


@pytest.mark.parametrize("right", ["patch inferenceservices", "get inferenceservices", "list pods"])
def test_a_missing_right_is_named(packages: list[Package], bucket: Storage, api: API, right: str) -> None:
    api.forbidden.add(right)
    verb, resource = right.split()
    with pytest.raises(ClusterError) as failure:
        publish(packages[0], URI, on=on(api))
    said = str(failure.value)
    assert f"Cannot {verb} {resource} in namespace ml: 403" in said
    (rule,) = (rule for rule in RULES if resource in rule["resources"])
    assert verb in rule["verbs"]
    assert f'"resources": ["{resource}"]' in said
    assert "s3cret" not in said
    assert current(bucket) is None


def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    packages: list[Package], bucket: Storage, api: API
) -> None:
    api.away = 3
    publish(packages[0], URI, on=on(api))
    assert current(bucket) == "1"


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"gpu": 1}, "no such field: gpu"),
        ({"gpus": "many"}, "gpus"),
        ({"namespace": "other"}, "namespace, which follow from the version"),
        ({"min_replicas": 0}, "min_replicas: got 0"),
    ],
)
def test_wrong_fields_are_said_before_anything_is_done(
    packages: list[Package], bucket: Storage, api: API, service: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidOption, match=said):
        publish(packages[0], URI, on=on(api, **service))
    assert api.applied == []
    assert list(bucket.list()) == []


def test_pods_cannot_read_a_folder_of_this_machine(packages: list[Package], api: API, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"expected s3://bucket/prefix, which pods of a cluster can read"):
        publish(packages[0], f"file://{tmp_path}", on=on(api))


def test_a_smoke_test_that_fails_applies_the_version_before_again(
    packages: list[Package], bucket: Storage, api: API
) -> None:
    for package in packages:
        publish(package, URI, on=on(api))
    with pytest.raises(SmokeFailed, match=r"no answer.*taken back: version 1 serves, and is applied in ml again"):
        try_package(packages[1], URI, "http://127.0.0.1:9", on=on(api), timeout=0.1)
    assert current(bucket) == "1"
    assert api.uris("tiny-x4") == [f"{URI}/models/tiny_x4/1"]


def test_a_mirror_that_fails_leaves_all_as_it_was(packages: list[Package], bucket: Storage, api: API) -> None:
    with pytest.raises(RegistryError):
        publish(packages[0], URI, on=on(api), mirror=ModelRegistry("http://127.0.0.1:9"))
    assert api.applied == []
    assert current(bucket) is None


def test_without_a_cluster_at_hand_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match="neither a pod's ServiceAccount nor a kubeconfig"):
        connect()
