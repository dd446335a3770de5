"""What following a job asks of Kubernetes' API server: with patience when it is away, in words when it refuses.

server = Server(loupe.cluster.connect(), "ml")
server.create(KINDS["TrainJob"], manifest)      # None: there is one of that name
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from loupe.cluster import PATIENCE, Access, Rules
from training.job import Manifest
from training.pods import Kind

# What the ServiceAccount of the step needs, in the namespace of the jobs.
RULES: Rules = (
    {"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": ["create", "get", "delete"]},
    {"apiGroups": ["kubeflow.org"], "resources": ["pytorchjobs"], "verbs": ["create", "get", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
)
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT = (5, 20)  # seconds to connect, and without a byte

Object = dict[str, Any]


def current_namespace() -> str:
    """Of this pod, or of the kubeconfig's context; else ``default``."""
    if POD_NAMESPACE.is_file():
        return POD_NAMESPACE.read_text().strip()
    try:
        _, context = config.list_kube_config_contexts(os.environ.get("KUBECONFIG"))
    except (config.ConfigException, OSError):
        return "default"
    return str(context["context"].get("namespace", "default"))


class Server:
    """One namespace of an API server. ``pause`` waits between two tries, and may raise to end them."""

    def __init__(self, api: Any, namespace: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._objects, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)
        self._namespace, self._access = namespace, Access(namespace, RULES, pause)

    def create(self, kind: Kind, manifest: Manifest) -> Object | None:
        """The object as it was made; None if there is one of that name."""

        def call() -> Object:
            made: Object = self._objects.create_namespaced_custom_object(
                *self._path(kind), manifest, field_validation="Strict", _request_timeout=TIMEOUT
            )
            return made

        return self._access.ask("create", kind.plural, call, none=(409,))

    def get(self, kind: Kind, name: str) -> Object | None:
        """The object; None if there is none."""

        def call() -> Object:
            found: Object = self._objects.get_namespaced_custom_object(
                *self._path(kind), name, _request_timeout=TIMEOUT
            )
            return found

        return self._access.ask("get", kind.plural, call, none=(404,))

    def delete(self, kind: Kind, name: str, uid: str, *, patience: float = PATIENCE) -> None:
        """Delete the object, and before it what it owns; not another one that has its name by now."""
        options = client.V1DeleteOptions(propagation_policy="Foreground", preconditions=client.V1Preconditions(uid=uid))

        def call() -> None:
            self._objects.delete_namespaced_custom_object(
                *self._path(kind), name, body=options, _request_timeout=TIMEOUT
            )

        self._access.ask("delete", kind.plural, call, none=(404, 409), patience=patience)

    def pods(self, selector: str) -> list[Object]:
        """As JSON has them."""

        def call() -> bytes:
            answer = self._core.list_namespaced_pod(
                self._namespace, label_selector=selector, _request_timeout=TIMEOUT, _preload_content=False
            )
            return bytes(answer.data)

        return list(json.loads(self._access.ask("list", "pods", call) or b"{}")["items"])

    def log(self, pod: str, container: str, since: int | None) -> Iterator[bytes]:
        """Pieces of a log with times, of the last ``since`` seconds; nothing if there is none at the moment.

        Raises urllib3's HTTPError where the stream breaks, and ClusterError without the right to read it.
        """
        more = {} if since is None else {"since_seconds": since}
        try:
            answer = self._core.read_namespaced_pod_log(
                pod,
                self._namespace,
                container=container,
                timestamps=True,
                _preload_content=False,
                _request_timeout=TIMEOUT,
                **more,
            )
        except ApiException as error:
            if error.status in (401, 403):
                raise self._access.refused("get", "pods/log", error) from error
            return  # not started yet, gone, or its node does not answer: there may be a next time
        try:
            yield from answer.stream(64 * 1024)
        finally:
            answer.release_conn()

    def _path(self, kind: Kind) -> tuple[str, str, str, str]:
        return kind.group, kind.version, self._namespace, kind.plural
