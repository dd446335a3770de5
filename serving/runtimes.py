"""The containers that serve on a cluster, as data: our own ServingRuntimes for KServe.

    manifest = serving_runtime_native(image="registry/serving:1.0")          # python -m serving
    manifest = serving_runtime_torchserve(image="registry/serving:1.0")      # TorchServe over the packed archive

What they serve is mounted at /mnt/models: a version's folder in storage (``loupe/versions.py``). Which model that
is, they learn from LOUPE_SERVE_MODELS, which the InferenceService gives (``serving/inference_service.py``).
"""

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

MODELS = "/mnt/models"  # where KServe puts what storageUri points at
FORMAT = "loupe"
NATIVE, TORCHSERVE = "loupe-native", "loupe-torchserve"
NATIVE_PORT, TORCHSERVE_PORT, MANAGEMENT_PORT, METRICS_PORT = 8080, 8085, 8082, 8083
CONTAINER = "kserve-container"  # the name that KServe looks for
DRAIN_SECONDS = 10  # between leaving the Service and SIGTERM, for the news to reach every proxy
LOAD_SECONDS = 300  # that loading a model may take

# The restricted profile of the Pod Security Standards, with a root that cannot be written on top.
SECURITY: Manifest = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
WRITABLE = {"HOME": "/tmp", "TMPDIR": "/tmp", "LOUPE_CACHE_DIR": "/tmp/loupe", "LOUPE_STORAGE": "file:///tmp/loupe"}  # noqa: S108
# /ping is Healthy before any worker has loaded its model, so starting waits for the workers themselves.
WORKERS_READY = (
    "from serving.settings import ServingSettings; from serving.torchserve import is_ready; "
    "s = ServingSettings(); raise SystemExit(not all(is_ready(n, s.management_port) for n in s.model_names))"
)
# The script passes no signals on, and as a container's first process it would not even notice SIGTERM.
RUN_TORCHSERVE = (
    f"torchserve --start --foreground --ncs --ts-config {MODELS}/config/config.properties "
    f"--model-store {MODELS}/model-store & trap 'torchserve --stop --foreground' TERM INT; wait $!; wait $!"
)


def serving_runtime_native(
    *,
    image: str,
    name: str = NATIVE,
    namespace: str = "default",
    env: Mapping[str, str] | None = None,
    drain_seconds: int = DRAIN_SECONDS,
    load_seconds: int = LOAD_SECONDS,
) -> Manifest:
    """``python -m serving``: KServe's model server over torch or OpenVINO. Knative allows no ``drain_seconds``: 0."""
    variables = {"LOUPE_MODELS_DIR": MODELS, **WRITABLE, **(env or {})}
    serving = {
        **container(image, variables, NATIVE_PORT, drain_seconds),
        "command": ["python", "-m", "serving"],
        "args": ["--host", "0.0.0.0", "--port", str(NATIVE_PORT)],  # noqa: S104  # a pod's own
        **kserve_probes(NATIVE_PORT, load_seconds),
    }
    return _runtime(name, namespace, serving, ["v2", "v1", "grpc-v2"], metrics_port=NATIVE_PORT)


def serving_runtime_torchserve(
    *,
    image: str,
    name: str = TORCHSERVE,
    namespace: str = "default",
    env: Mapping[str, str] | None = None,
    drain_seconds: int = DRAIN_SECONDS,
    load_seconds: int = LOAD_SECONDS,
) -> Manifest:
    """TorchServe over ``config/config.properties`` and ``model-store/`` of the version that is mounted."""
    variables = {
        # Whatever addresses the archive was packed with, these count: its configuration lets the environment win.
        "TS_INFERENCE_ADDRESS": f"http://0.0.0.0:{TORCHSERVE_PORT}",
        "TS_MANAGEMENT_ADDRESS": f"http://127.0.0.1:{MANAGEMENT_PORT}",
        "TS_METRICS_ADDRESS": f"http://0.0.0.0:{METRICS_PORT}",
        "TS_DECODE_INPUT_REQUEST": "false",  # the handler reads JSON itself, faster
        "LOUPE_MANAGEMENT_PORT": str(MANAGEMENT_PORT),
        "LOG_LOCATION": "/tmp/logs",  # noqa: S108
        "METRICS_LOCATION": "/tmp/logs",  # noqa: S108
        **WRITABLE,
        **(env or {}),
    }
    ping = {"httpGet": {"path": "/ping", "port": TORCHSERVE_PORT}, "timeoutSeconds": 5}
    serving = {
        **container(image, variables, TORCHSERVE_PORT, drain_seconds),
        "command": ["sh", "-c", RUN_TORCHSERVE],
        "workingDir": "/tmp",  # noqa: S108  # it writes beside itself
        "startupProbe": {
            "exec": {"command": ["python", "-c", WORKERS_READY]},
            "periodSeconds": 5,
            "timeoutSeconds": 10,
            "failureThreshold": load_seconds // 5,
        },
        "readinessProbe": {**ping, "periodSeconds": 5},
        "livenessProbe": {**ping, "periodSeconds": 10, "failureThreshold": 6},
    }
    return _runtime(name, namespace, serving, ["v2", "v1"], metrics_port=METRICS_PORT)


def _runtime(name: str, namespace: str, serving: Manifest, protocols: list[str], *, metrics_port: int) -> Manifest:
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": "loupe"}},
        "spec": {
            "annotations": {"prometheus.kserve.io/port": str(metrics_port), "prometheus.kserve.io/path": "/metrics"},
            "supportedModelFormats": [{"name": FORMAT, "version": "1", "autoSelect": False}],
            "protocolVersions": protocols,
            "multiModel": False,
            "containers": [serving],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


def container(image: str, env: Mapping[str, str], port: int, drain_seconds: int = 0) -> Manifest:
    """What all containers share. One port only: Knative allows no more."""
    # Requests that come while proxies still know the pod are answered.
    drain = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", str(drain_seconds)]}}}}
    return {
        "name": CONTAINER,
        "image": image,
        "env": env_list(env),
        "ports": [{"containerPort": port, "protocol": "TCP"}],
        "securityContext": {**SECURITY, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        **(drain if drain_seconds else {}),
    }


def kserve_probes(port: int, load_seconds: int = LOAD_SECONDS) -> Manifest:
    """Of the embedded server: alive at once, ready once its models are loaded."""
    live, ready = ({"httpGet": {"path": f"/v2/health/{name}", "port": port}} for name in ("live", "ready"))
    return {
        "startupProbe": {**ready, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": load_seconds // 2},
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 5},
        "livenessProbe": {**live, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def env_list(env: Mapping[str, str]) -> list[Manifest]:
    """Variables as a container lists them."""
    return [{"name": name, "value": value} for name, value in env.items()]
