"""Kubernetes' API server, asked with patience while it is away, and in words when it refuses.

    api = connect()
    access = Access("ml", RULES)
    made = access.ask("create", "trainjobs", lambda: client.CustomObjectsApi(api).create_...(...), none=(409,))

RULES are those of a Role: what a ServiceAccount needs, so that a refusal can say which one is missing.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from loupe.errors import LoupeError

PATIENCE = 300.0  # seconds that an API server may be away, as while it is upgraded
TRANSIENT = frozenset({429, 500, 502, 503, 504})

Rules = Sequence[Mapping[str, list[str]]]
T = TypeVar("T")


class ClusterError(LoupeError):
    """The API server refuses or stays away; the message says which right is missing, or who owns what."""

    exit_code: ClassVar[int] = 17


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


class Access:
    """What may be asked in one namespace. ``pause`` waits between two tries, and may raise to end them."""

    def __init__(self, namespace: str, rules: Rules, pause: Callable[[float], None] = time.sleep) -> None:
        self.namespace = namespace
        self._rules, self._pause = rules, pause

    def ask(
        self,
        verb: str,
        resource: str,
        call: Callable[[], T],
        *,
        none: tuple[int, ...] = (),
        patience: float = PATIENCE,
    ) -> T | None:
        """The answer of ``call``, or None for a status in ``none``. Raises ClusterError."""
        end = time.monotonic() + patience
        while True:
            try:
                return call()
            except ApiException as error:
                if error.status in none:
                    return None
                if error.status not in TRANSIENT or time.monotonic() > end:
                    raise self.refused(verb, resource, error) from error
            except HTTPError as error:
                if time.monotonic() > end:
                    raise ClusterError(f"The API server does not answer for {patience:.0f} s: {error}") from error
            self._pause(1.0)

    def refused(self, verb: str, resource: str, error: ApiException) -> ClusterError:
        """The refusal in words; for 403 with the rule that would allow it."""
        said = f"Cannot {verb} {resource} in namespace {self.namespace}: {error.status} {message_of(error)}"
        if error.status != 403:
            return ClusterError(said)
        rule = next(rule for rule in self._rules if resource in rule["resources"])
        return ClusterError(
            f"{said}. Give the ServiceAccount of this step a Role there with the rule {json.dumps(rule)}"
        )


def message_of(error: ApiException) -> str:
    """What the API server says; else what HTTP says."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
