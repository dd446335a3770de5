"""Kubernetes' own kinds against the schemas that kubernetes-validate brings, unknown fields refused.

for problem in problems(manifest, "1.31"): print(problem)

As ``kubernetes_validate.validate(..., strict=True)``, which reads 1.3 MB anew for every object.
"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import SchemaNotFoundError, schema_contents
from referencing import Registry, Resource

VERSIONS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34")


@cache
def _definitions(version: str) -> Registry[Any]:
    content = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json", version)
    return Resource.from_contents(content) @ Registry()


@cache
def _validator(kind: str, api_version: str, version: str) -> Draft202012Validator:
    group, _, number = api_version.rpartition("/")
    name = f"{kind}-{group.partition('.')[0]}-{number}" if group else f"{kind}-{number}"
    try:
        schema = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name.lower()}.json", version)
    except FileNotFoundError as error:
        raise SchemaNotFoundError(kind, version, api_version) from error
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


def problems(manifest: dict[str, Any], version: str) -> list[str]:
    """What is wrong with it; SchemaNotFoundError where that release has no such kind."""
    validator = _validator(manifest["kind"], manifest["apiVersion"], version)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]
