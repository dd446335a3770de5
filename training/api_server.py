"""What following a job asks of Kubernetes' API server: with patience when it is away, in words when it refuses.

server = Server(connect(), "ml")
server.create(KINDS["TrainJob"], manifest)      # None: there is one of that name
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from loupe.errors import LoupeError
from training.job import Manifest
from training.pods import Kind

# What the ServiceAccount of the step needs, in the namespace of the jobs.
RULES: Sequence[Mapping[str, list[str]]] = (
    {"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": ["create", "get", "delete"]},
    {"apiGroups": ["kubeflow.org"], "resources": ["pytorchjobs"], "verbs": ["create", "get", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
)
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT = (5, 20)  # seconds to connect, and without a byte
PATIENCE = 300.0  # seconds that an API server may be away, as while it is upgraded
TRANSIENT = frozenset({429, 500, 502, 503, 504})

Object = dict[str, Any]
T = TypeVar("T")


class ClusterError(LoupeError):
    """The API server refuses, or stays away; or a job of that name is another one."""

    exit_code = 15


def connect() -> Any:
    """A client with the rights of this pod, or of the kubeconfig at hand. ClusterError if there is neither."""
    settings = client.Configuration()
    try:
        config.load_incluster_config(settings)
    except config.ConfigException:
        try:
            config.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=settings)
        except (config.ConfigException, OSError) as error:
            raise ClusterError(f"No cluster: got neither a pod's ServiceAccount nor a kubeconfig: {error}") from error
    return client.ApiClient(settings)


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
        self._namespace, self._pause = namespace, pause

    def create(self, kind: Kind, manifest: Manifest) -> Object | None:
        """The object as it was made; None if there is one of that name."""

        def call() -> Object:
            made: Object = self._objects.create_namespaced_custom_object(
                *self._path(kind), manifest, field_validation="Strict", _request_timeout=TIMEOUT
            )
            return made

        return self._ask("create", kind.plural, call, none=(409,))

    def get(self, kind: Kind, name: str) -> Object | None:
        """The object; None if there is none."""

        def call() -> Object:
            found: Object = self._objects.get_namespaced_custom_object(
                *self._path(kind), name, _request_timeout=TIMEOUT
            )
            return found

        return self._ask("get", kind.plural, call, none=(404,))

    def delete(self, kind: Kind, name: str, uid: str, *, patience: float = PATIENCE) -> None:
        """Delete the object, and before it what it owns; not another one that has its name by now."""
        options = client.V1DeleteOptions(propagation_policy="Foreground", preconditions=client.V1Preconditions(uid=uid))

        def call() -> None:
            self._objects.delete_namespaced_custom_object(
                *self._path(kind), name, body=options, _request_timeout=TIMEOUT
            )

        self._ask("delete", kind.plural, call, none=(404, 409), patience=patience)

    def pods(self, selector: str) -> list[Object]:
        """As JSON has them."""

        def call() -> bytes:
            answer = self._core.list_namespaced_pod(
                self._namespace, label_selector=selector, _request_timeout=TIMEOUT, _preload_content=False
            )
            return bytes(answer.data)

        return list(json.loads(self._ask("list", "pods", call) or b"{}")["items"])

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
                raise self._refused("get", "pods/log", error) from error
            return  # not started yet, gone, or its node does not answer: there may be a next time
        try:
            yield from answer.stream(64 * 1024)
        finally:
            answer.release_conn()

    def _path(self, kind: Kind) -> tuple[str, str, str, str]:
        return kind.group, kind.version, self._namespace, kind.plural

    def _ask(
        self,
        verb: str,
        resource: str,
        call: Callable[[], T],
        *,
        none: tuple[int, ...] = (),
        patience: float = PATIENCE,
    ) -> T | None:
        """The answer, or None for a status in ``none``. Raises ClusterError."""
        end = time.monotonic() + patience
        while True:
            try:
                return call()
            except ApiException as error:
                if error.status in none:
                    return None
                if error.status not in TRANSIENT or time.monotonic() > end:
                    raise self._refused(verb, resource, error) from error
            except HTTPError as error:
                if time.monotonic() > end:
                    raise ClusterError(f"The API server does not answer for {patience:.0f} s: {error}") from error
            self._pause(1.0)

    def _refused(self, verb: str, resource: str, error: ApiException) -> ClusterError:
        said = _message(error)
        if error.status != 403:
            return ClusterError(f"Cannot {verb} {resource} in namespace {self._namespace}: {error.status} {said}")
        rule = next(rule for rule in RULES if resource in rule["resources"])
        return ClusterError(
            f"Not allowed to {verb} {resource} in namespace {self._namespace}: {said}. "
            f"Give the ServiceAccount of this step a Role there with the rule {json.dumps(rule)}"
        )


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
