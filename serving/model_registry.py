"""A mirror of versions in Kubeflow's Model Registry, for those who look for models there.

    ModelRegistry("http://model-registry-service.kubeflow:8080").add(record, uri, told=print)

Each model, version and file is made once: what is there already is left as it is. Nothing of Loupe reads it.

The API: https://www.kubeflow.org/docs/components/model-registry/reference/rest-api/ (v1alpha3)
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx

from loupe.errors import LoupeError
from loupe.records import ModelVersion
from serving.cluster import Told
from serving.runtimes import FORMAT

ROOT = "/api/model_registry/v1alpha3"
TIMEOUT = 20.0


class RegistryError(LoupeError):
    """The Model Registry does not answer, or refuses."""

    exit_code: ClassVar[int] = 19


class ModelRegistry:
    """One Model Registry, by its address."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def add(self, version: ModelVersion, uri: str, told: Told) -> None:
        """The model, its version and the file at ``uri``. Raises RegistryError."""
        with httpx.Client(base_url=f"{self._url}{ROOT}", timeout=TIMEOUT) as client:
            model = self._find_or_make(client, "registered_model", "registered_models", {"name": version.name})
            about = {
                "name": version.version,
                "registeredModelId": model,
                "customProperties": _properties(version),
            }
            number = self._find_or_make(
                client, "model_version", f"registered_models/{model}/versions", about, parent=model
            )
            artifact = {
                "artifactType": "model-artifact",
                "name": f"{version.name}-{version.version}",
                "uri": uri,
                "modelFormatName": FORMAT,
                "modelFormatVersion": "1",
                "customProperties": {"sha256": _text(version.sha256)},
            }
            self._find_or_make(client, "model_artifact", f"model_versions/{number}/artifacts", artifact, parent=number)
        told(f"{version.name} version {version.version} is in the Model Registry at {self._url} as version {number}")

    def _find_or_make(
        self, client: httpx.Client, find: str, make: str, body: Mapping[str, Any], parent: str | None = None
    ) -> str:
        """The id of what has this name (under ``parent``), made if it is not there."""
        query = {"name": body["name"]} | ({"parentResourceId": parent} if parent else {})
        found = self._ask(client, "GET", find, params=query)
        if found is None:
            found = self._ask(client, "POST", make, json=body)
        if found is None:  # somebody made it in between
            found = self._ask(client, "GET", find, params=query)
        if found is None or "id" not in found:
            raise RegistryError(f"Model Registry at {self._url}: {make} took {body['name']} and does not find it")
        return str(found["id"])

    def _ask(self, client: httpx.Client, verb: str, path: str, **more: Any) -> Mapping[str, Any] | None:
        """The answer, or None where there is none of that name, or one already."""
        try:
            answer = client.request(verb, path, **more)
            if answer.status_code == (404 if verb == "GET" else 409):
                return None
            if answer.is_success:
                said: Mapping[str, Any] = answer.json()
                return said
        except (httpx.HTTPError, ValueError) as error:
            raise RegistryError(f"Model Registry at {self._url} does not answer: {error}; check the address") from error
        raise RegistryError(
            f"Model Registry at {self._url}: {verb} {path}: {answer.status_code} {answer.text[:300]}; "
            f"expected the API of {ROOT}"
        )


def _properties(version: ModelVersion) -> dict[str, Any]:
    """Lineage as text, figures as numbers."""
    lineage = {"data": version.lineage.data, "run": version.lineage.run, "recipe": version.lineage.recipe}
    properties: dict[str, Any] = {name: _text(value) for name, value in lineage.items() if value}
    for name, value in version.metrics.items():
        properties[name] = {"metadataType": "MetadataDoubleValue", "double_value": value}
    return properties


def _text(value: str) -> dict[str, str]:
    return {"metadataType": "MetadataStringValue", "string_value": value}
