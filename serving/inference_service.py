"""Serving a model on a cluster, as data: KServe's InferenceService.

    service = Service(name="edsr-x4", model="edsr_x4", storage_uri="s3://bucket/models/edsr_x4/3")
    manifest = inference_service(service)

``storage_uri`` is a folder of ``loupe/versions.py``; KServe mounts it at /mnt/models. TorchServe notices no client
that goes away and answers errors in its own way, so give it a Transformer, which keeps the whole contract.
Nothing here talks to a cluster.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from serving.runtimes import (
    DRAIN_SECONDS,
    FORMAT,
    NATIVE,
    NATIVE_PORT,
    WRITABLE,
    Manifest,
    container,
    env_list,
    kserve_probes,
)

NAME = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")  # RFC 1035; KServe and Kubernetes append to it, up to 63
OLDEST = (0, 15)  # the first with autoScaling


@dataclass(frozen=True, kw_only=True)
class HPA:
    """Kubernetes' own scaling, by use of what was requested. Standard mode."""

    metric: Literal["cpu", "memory"] = "cpu"
    percent: int = 70


@dataclass(frozen=True, kw_only=True)
class KEDA:
    """KEDA's scaling by a Prometheus query, down to none. Standard mode."""

    query: str
    server: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """Knative's scaling by requests at once, down to none. Knative mode."""

    target: int
    most: int | None = None
    """A hard limit for each pod; more wait at the door."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """Another version beside the one that serves, for ``percent`` of the requests."""

    storage_uri: str
    percent: int

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError(f"percent: got {self.percent}, expected 0 to 100")


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """Cuts photos into tiles before the predictor: ``python -m serving.transformer``."""

    image: str
    cpu: str = "1"
    memory: str = "2Gi"
    min_replicas: int = 1
    max_replicas: int = 1


@dataclass(frozen=True, kw_only=True)
class Service:
    """One model that is served. Resources are of one pod."""

    name: str
    model: str
    """As checkpoints name it; Kubernetes' names have no underscore, so ``name`` is another."""
    storage_uri: str
    namespace: str = "default"
    runtime: str = NATIVE
    kserve: str = "0.20"
    mode: Literal["standard", "knative"] = "standard"
    min_replicas: int = 1
    max_replicas: int = 1
    autoscaling: HPA | KEDA | Concurrency | None = None
    canary: Canary | None = None
    transformer: Transformer | None = None
    cpu: str = "2"
    memory: str = "4Gi"
    gpus: int = 0
    gpu_resource: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, str], ...] = ()
    service_account: str | None = None
    """Its Secret opens the storage."""
    grace_seconds: int = 80
    """Between the word to leave and being killed, in standard mode: draining, then the longest tile."""
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name: got {self.name!r}, expected a-z, 0-9 and '-', a letter first, at most 50")
        release = kserve_release(self.kserve)
        if not 0 <= self.min_replicas <= self.max_replicas or not self.max_replicas:
            raise ValueError(f"replicas: got {self.min_replicas} to {self.max_replicas}, expected 0 <= min <= max")
        scales_to_none = isinstance(self.autoscaling, KEDA) or self.mode == "knative"
        if not self.min_replicas and not scales_to_none:
            raise ValueError("min_replicas: got 0, expected 1 or more without KEDA or Knative")
        if isinstance(self.autoscaling, Concurrency) != (self.mode == "knative") and self.autoscaling is not None:
            raise ValueError(
                f"autoscaling: got {type(self.autoscaling).__name__} in {self.mode} mode, expected another"
            )
        if self.canary and self.mode == "standard" and release < (0, 20):
            raise ValueError(f"canary: got KServe {self.kserve} in standard mode, expected 0.20 or later, or knative")


def kserve_release(text: str) -> tuple[int, int]:
    """``"v0.20.1"`` -> ``(0, 20)``. Raises ValueError for one that is malformed or too old."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)(\..+)?", text)
    if not match or (release := (int(match[1]), int(match[2]))) < OLDEST:
        raise ValueError(f"kserve: got {text!r}, expected a release such as 0.20, 0.15 or later")
    return release


def service_name(model: str) -> str:
    """``edsr_x4`` -> ``edsr-x4``."""
    return model.replace("_", "-").strip("-")


def inference_service(service: Service) -> Manifest:
    """A v1beta1 InferenceService.

    A canary in Knative mode is the next revision: what was applied before keeps the other requests, and
    ``storage_uri`` is not in the manifest. In standard mode both are in it.
    """
    uri = service.storage_uri
    spec: Manifest = {}
    if service.canary and service.mode == "standard":
        other = _predictor(service, service.canary.storage_uri)
        # The definition asks for a name of the model, the webhook for none.
        other = {**other, "name": "canary", "model": {"name": "", **other["model"]}}
        spec["canary"] = [{"trafficPercent": service.canary.percent, "predictor": other}]
    elif service.canary:
        uri = service.canary.storage_uri
    predictor = _predictor(service, uri)
    if service.canary and service.mode == "knative":
        predictor["canaryTrafficPercent"] = service.canary.percent
    spec["predictor"] = predictor
    if service.transformer:
        spec["transformer"] = _transformer(service, service.transformer)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": service.name,
            "namespace": service.namespace,
            "labels": {"app.kubernetes.io/name": "loupe", "app.kubernetes.io/component": "serving", **service.labels},
            "annotations": {**_mode_annotations(service), **service.annotations},
        },
        "spec": spec,
    }


def _predictor(service: Service, storage_uri: str) -> Manifest:
    env = {"LOUPE_SERVE_MODELS": service.model, **service.env}
    predictor: Manifest = {
        "minReplicas": service.min_replicas,
        "maxReplicas": service.max_replicas,
        **_pod(service),
        "model": {
            "modelFormat": {"name": FORMAT},
            "runtime": service.runtime,
            "protocolVersion": "v2",
            "storageUri": storage_uri,
            "env": env_list(env),
            "resources": _resources(service.cpu, service.memory, {service.gpu_resource: service.gpus}),
        },
        **_scaling(service.autoscaling),
    }
    if service.service_account:
        predictor["serviceAccountName"] = service.service_account
    if service.node_selector:
        predictor["nodeSelector"] = dict(service.node_selector)
    if service.tolerations:
        predictor["tolerations"] = [dict(toleration) for toleration in service.tolerations]
    return predictor


def _pod(service: Service) -> Manifest:
    """How pods come and go without dropping a request; Knative sees to that itself."""
    # Else Kubernetes puts LOUPE_PORT=tcp://... into pods beside a Service called loupe.
    common: Manifest = {"enableServiceLinks": False, "automountServiceAccountToken": False}
    if service.mode == "knative":
        return common
    return {
        **common,
        "terminationGracePeriodSeconds": service.grace_seconds,
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    }


def _transformer(service: Service, transformer: Transformer) -> Manifest:
    # The controller adds --predictor_host and --http_port, and where we say none --model_name, as the Service's.
    arguments = ["--model_name", service.model, "--predictor-model", service.model]
    # KEDA needs a metric for each component, and the predictor's query does not tell how busy a transformer is.
    scaling = {} if service.mode == "knative" or service.autoscaling is None else _scaling(HPA())
    drain = 0 if service.mode == "knative" else DRAIN_SECONDS
    return {
        "minReplicas": transformer.min_replicas,
        "maxReplicas": transformer.max_replicas,
        **_pod(service),
        "containers": [
            {
                **container(transformer.image, WRITABLE, NATIVE_PORT, drain),
                "command": ["python", "-m", "serving.transformer"],
                "args": arguments,
                "resources": _resources(transformer.cpu, transformer.memory, {}),
                **kserve_probes(NATIVE_PORT),
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        **scaling,
    }


def _mode_annotations(service: Service) -> dict[str, str]:
    old = kserve_release(service.kserve) < (0, 16)  # from 0.17 on either spelling will do
    names = {"standard": "RawDeployment" if old else "Standard", "knative": "Serverless" if old else "Knative"}
    annotations = {"serving.kserve.io/deploymentMode": names[service.mode]}
    if isinstance(service.autoscaling, HPA | KEDA):
        annotations["serving.kserve.io/autoscalerClass"] = type(service.autoscaling).__name__.lower()
    return annotations


def _scaling(by: HPA | KEDA | Concurrency | None) -> Manifest:
    if isinstance(by, HPA):
        target = {"type": "Utilization", "averageUtilization": by.percent}
        metric = {"type": "Resource", "resource": {"name": by.metric, "target": target}}
        return {"autoScaling": {"metrics": [metric]}}
    if isinstance(by, KEDA):
        source = {"backend": "prometheus", "serverAddress": by.server, "query": by.query}
        external = {"metric": source, "target": {"type": "Value", "value": by.value}}
        return {"autoScaling": {"metrics": [{"type": "External", "external": external}]}}
    if isinstance(by, Concurrency):
        hard = {} if by.most is None else {"containerConcurrency": by.most}
        return {"scaleMetric": "concurrency", "scaleTarget": by.target, **hard}
    return {}


def _resources(cpu: str, memory: str, extended: Mapping[str, int]) -> Manifest:
    """Memory is a limit too; CPU is not, as a limit would slow a pod down on an idle node."""
    more = {name: str(count) for name, count in extended.items() if count}
    return {"requests": {"cpu": cpu, "memory": memory, **more}, "limits": {"memory": memory, **more}}
