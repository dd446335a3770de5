"""An InferenceService on a cluster: applied, followed until it serves, and in words when it does not.

    cluster = Cluster(connect(), "ml")
    generation = cluster.apply(inference_service(service), told=print)
    url = cluster.wait_until_ready("edsr-x4", generation, uris=["s3://..."], timeout=600, told=print)

Applied server-side: what other managers own (an autoscaler's replicas, people's annotations) stays theirs.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from loupe.cluster import Access, ClusterError, Rules, message_of
from loupe.errors import LoupeError
from serving.runtimes import Manifest

# What the ServiceAccount of the steps publish and smoke needs, in the namespace of the models. Applying is a patch, and
# a create as well where there is nothing yet.
RULES: Rules = (
    {"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": ["get", "create", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
)
MANAGER = "loupe"
RESOURCE = ("serving.kserve.io", "v1beta1", "inferenceservices")
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"  # on pods: where the model in them comes from
TIMEOUT = (5, 30)  # seconds to connect, and without a byte
POLL = 2.0

Told = Callable[[str], None]


class NotReady(LoupeError):
    """The InferenceService does not serve what was applied; the message says what its conditions and pods say."""

    exit_code: ClassVar[int] = 18


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, api: Any, namespace: str, *, poll: float = POLL) -> None:
        self.namespace = namespace
        self._api, self._poll = api, poll
        self._access = Access(namespace, RULES)

    def apply(self, manifest: Manifest, told: Told) -> int:
        """Server-side apply; returns the object's generation. Fields of ours that others have changed are taken back.

        Raises ClusterError.
        """
        applied = self._apply(manifest, force=False)
        if isinstance(applied, str):
            told(f"{manifest['metadata']['name']}: taking back fields that others have changed: {applied}")
            applied = self._apply(manifest, force=True)
        if isinstance(applied, str):
            raise ClusterError(
                f"InferenceService {self.namespace}/{manifest['metadata']['name']} cannot be applied: {applied}; "
                "somebody else changes it at the same time"
            )
        return int(applied["metadata"]["generation"])

    def get(self, name: str) -> Manifest | None:
        """The InferenceService as it is; None if there is none. Raises ClusterError."""
        return self._access.ask("get", "inferenceservices", lambda: self._call("GET", name), none=(404,))

    def wait_until_ready(self, name: str, generation: int, *, uris: Collection[str], timeout: float, told: Told) -> str:
        """Wait until ``generation`` serves from pods that hold what is at ``uris``; returns the address to ask.

        KServe's Ready is not enough: in standard mode it stays true of the old pods while new ones start
        (kserve/kserve#4626). Raises NotReady, ClusterError.
        """
        end, last = time.monotonic() + timeout, ""
        while True:
            service = self.get(name)
            if service is None:
                raise NotReady(f"InferenceService {self.namespace}/{name} was deleted while it was waited for")
            status = service.get("status", {})
            missing = [*_missing(status, generation), *self._stale_pods(name, uris)]
            if not missing:
                return _address(status, name)
            if (state := "; ".join(missing)) != last:
                told(f"{name}: {state}")
                last = state
            if "transition InvalidSpec" in missing or time.monotonic() > end:
                waited = "at once" if time.monotonic() < end else f"within {timeout:g} s"
                raise NotReady(f"InferenceService {self.namespace}/{name} did not become ready {waited}: {state}")
            time.sleep(self._poll)

    def _apply(self, manifest: Manifest, *, force: bool) -> Manifest | str:
        """The object, or the API server's words on a conflict."""
        query = [("fieldManager", MANAGER), ("force", str(force).lower()), ("fieldValidation", "Strict")]

        def call() -> Manifest | str:
            try:
                return self._call("PATCH", manifest["metadata"]["name"], query, manifest)
            except ApiException as error:
                if error.status == 409:
                    return message_of(error)
                raise

        applied = self._access.ask("patch", "inferenceservices", call)
        assert applied is not None  # noqa: S101  # no status counts as None here
        return applied

    def _call(
        self, verb: str, name: str, query: Sequence[tuple[str, str]] = (), body: Manifest | None = None
    ) -> Manifest:
        # The client's own method for custom objects knows no apply.
        group, version, plural = RESOURCE
        answer: Manifest = self._api.call_api(
            f"/apis/{group}/{version}/namespaces/{self.namespace}/{plural}/{name}",
            verb,
            query_params=list(query),
            header_params={"Accept": "application/json"}
            | ({"Content-Type": "application/apply-patch+yaml"} if body else {}),
            body=body,
            response_type="object",
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _request_timeout=TIMEOUT,
        )
        return answer

    def _stale_pods(self, name: str, uris: Collection[str]) -> Iterator[str]:
        """What keeps the pods from being those that were asked for. KServe may run none, where it scales to none."""
        core = client.CoreV1Api(self._api)

        def call() -> bytes:
            answer = core.list_namespaced_pod(
                self.namespace,
                label_selector=f"{SERVICE_LABEL}={name}",
                _request_timeout=TIMEOUT,
                _preload_content=False,
            )
            return bytes(answer.data)

        pods = json.loads(self._access.ask("list", "pods", call) or b"{}").get("items", ())
        for pod in pods:
            source = pod["metadata"].get("annotations", {}).get(SOURCE)
            if source is None or "deletionTimestamp" in pod["metadata"]:
                continue
            if source not in uris:
                yield f"pod {pod['metadata']['name']} of another version is still there"
            elif why := _pod_trouble(pod):
                yield f"pod {pod['metadata']['name']} is not ready: {why}"


def _missing(status: Mapping[str, Any], generation: int) -> list[str]:
    """What KServe says is not yet as it should be."""
    if (seen := status.get("observedGeneration", generation)) < generation:
        return [f"KServe has seen generation {seen}, expected {generation}"]
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    missing = []
    if conditions.get("Ready", {}).get("status") != "True":
        wrong = [each for each in conditions.values() if each["status"] != "True" and each["type"] != "Stopped"]
        missing += [_told(each) for each in wrong] or ["KServe says nothing yet"]
    model = status.get("modelStatus", {})
    if (transition := model.get("transitionStatus", "UpToDate")) != "UpToDate":
        missing.append(f"transition {transition}")
        if failure := model.get("lastFailureInfo"):
            missing.append(": ".join(filter(None, (failure.get("reason"), failure.get("message")))))
    return missing


def _told(condition: Mapping[str, Any]) -> str:
    parts = (f"{condition['type']} is {condition['status']}", condition.get("reason"), condition.get("message"))
    return ": ".join(filter(None, parts))


def _pod_trouble(pod: Mapping[str, Any]) -> str:
    """Why a pod is not ready, from its containers; empty if it is."""
    status = pod.get("status", {})
    if any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ()):
        return ""
    told = []
    for each in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        for state in (each.get("state", {}), each.get("lastState", {})):
            why = state.get("waiting") or state.get("terminated") or {}
            if why and why.get("exitCode", 1):
                told.append(" ".join(filter(None, (each["name"], why.get("reason"), why.get("message")))))
    told += [
        each["message"] for each in status.get("conditions") or () if each["status"] != "True" and "message" in each
    ]
    return "; ".join(dict.fromkeys(told)) or str(status.get("phase", "Pending"))


def _address(status: Mapping[str, Any], name: str) -> str:
    """The address inside the cluster if KServe gives one: the other may need a gateway, DNS and certificates."""
    url = status.get("address", {}).get("url") or status.get("url")
    if not url:
        raise NotReady(f"InferenceService {name} is ready and has no address; is there an ingress for its mode?")
    return str(url)
