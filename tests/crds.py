"""A strict reading of CustomResourceDefinitions: what an API server with strict field validation refuses, as far as a
schema can say it. Unknown fields, missing ones, types, enumerations, bounds, patterns, doubled keys of list maps.

for problem in problems(manifest, find_crds(folder, "TrainJob")[0]): print(problem)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
LABEL = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
DNS = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA: Schema = {  # CRDs leave ObjectMeta to the server
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": f"^{DNS}$"},
        "namespace": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
        "labels": {
            "type": "object",
            "keys": rf"({DNS}/)?{LABEL}",
            "additionalProperties": {"type": "string", "pattern": f"^{LABEL}$"},
        },
        "annotations": {**STRINGS, "keys": rf"({DNS}/)?{LABEL}"},
    },
}


@dataclass(frozen=True)
class CRD:
    """One kind in one served version, as one release of its project defines it."""

    release: str
    kind: str
    api_version: str
    schema: Schema


@lru_cache
def find_crds(folder: Path, kind: str) -> list[CRD]:
    """Every definition of ``kind`` under ``folder``, which has one folder for each release."""
    found = []
    for path in sorted(folder.glob("*/*.yaml")):
        text = path.read_text("utf-8")
        if not re.search(rf"^    kind: {kind}$", text, re.MULTILINE):
            continue
        definition = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]
        for version in definition["versions"]:
            if version["served"] and definition["names"]["kind"] == kind:
                api_version = f"{definition['group']}/{version['name']}"
                found.append(CRD(path.parent.name, kind, api_version, version["schema"]["openAPIV3Schema"]))
    return found


def problems(manifest: dict[str, Any], crd: CRD) -> list[str]:
    """What is wrong with ``manifest``; empty when it fits."""
    said = []
    if (manifest.get("apiVersion"), manifest.get("kind")) != (crd.api_version, crd.kind):
        said.append(f"is {manifest.get('apiVersion')} {manifest.get('kind')}, expected {crd.api_version} {crd.kind}")
    schema = {**crd.schema, "properties": {**crd.schema["properties"], "metadata": METADATA}}
    schema["required"] = [*crd.schema.get("required", ()), "metadata", "spec"]
    return [*said, *_check(manifest, schema, "")]


def _check(value: Any, schema: Schema, at: str) -> Iterator[str]:
    if value is None:
        if not schema.get("nullable"):
            yield f"{at}: null"
    elif schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield f"{at}: {value!r} is neither an integer nor a string"
        elif isinstance(value, str):
            yield from _check_scalar(value, schema, at)
    elif "type" not in schema:
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{at}: the schema has no type"
    elif not _is(value, schema["type"]):
        yield f"{at}: {value!r} is no {schema['type']}"
    elif isinstance(value, dict):
        yield from _check_object(value, schema, at)
    elif isinstance(value, list):
        yield from _check_list(value, schema, at)
    else:
        yield from _check_scalar(value, schema, at)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _check_object(value: dict[str, Any], schema: Schema, at: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: no {name}"
    if len(value) < schema.get("minProperties", 0):
        yield f"{at}: fewer than {schema['minProperties']} fields"
    if len(value) > schema.get("maxProperties", len(value)):
        yield f"{at}: more than {schema['maxProperties']} fields"
    known = schema.get("properties", {})
    for name, each in value.items():
        if not isinstance(name, str):
            yield f"{at}: the key {name!r} is no string"
        elif name in known:
            yield from _check(each, known[name], f"{at}.{name}")
        elif isinstance(schema.get("additionalProperties"), dict):
            if "keys" in schema and not re.fullmatch(schema["keys"], name):
                yield f"{at}: the key {name!r} is malformed"
            yield from _check(each, schema["additionalProperties"], f"{at}.{name}")
        elif not schema.get("x-kubernetes-preserve-unknown-fields") and schema.get("additionalProperties") is not True:
            yield f"{at}: unknown field {name}"


def _check_list(value: list[Any], schema: Schema, at: str) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{at}: fewer than {schema['minItems']} items"
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{at}: more than {schema['maxItems']} items"
    keys = schema.get("x-kubernetes-list-map-keys", ())
    defaults = schema["items"].get("properties", {})
    seen = []
    for number, each in enumerate(value):
        yield from _check(each, schema["items"], f"{at}[{number}]")
        if keys and isinstance(each, dict):
            identity = [each.get(key, defaults.get(key, {}).get("default")) for key in keys]
            if identity in seen:
                yield f"{at}[{number}]: {identity} is there twice"
            seen.append(identity)


def _check_scalar(value: Any, schema: Schema, at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match {schema['pattern']}"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{at}: {len(value)} characters"
    elif not isinstance(value, bool):
        bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
        if bits and not -(2**bits) <= value < 2**bits:
            yield f"{at}: {value} does not fit into {schema['format']}"
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{at}: {value} is out of bounds"
