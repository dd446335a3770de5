"""What the chart uses of Gateway API's HTTPRoute v1, as its reference says it: its CRD is not among ../shared/crds."""

from typing import Any

from tests.crds import CRD

STRING: dict[str, Any] = {"type": "string"}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
PARENT = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": STRING, "namespace": STRING, "sectionName": STRING, "port": PORT},
}
BACKEND = {"type": "object", "required": ["name"], "properties": {"name": STRING, "namespace": STRING, "port": PORT}}
PATH = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["Exact", "PathPrefix", "RegularExpression"]},
        "value": {"type": "string", "maxLength": 1024},
    },
}
DURATION = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
RULE = {
    "type": "object",
    "properties": {
        "matches": {"type": "array", "items": {"type": "object", "properties": {"path": PATH}}},
        "timeouts": {"type": "object", "properties": {"request": DURATION, "backendRequest": DURATION}},
        "backendRefs": {"type": "array", "items": BACKEND},
    },
}
SPEC = {
    "type": "object",
    "properties": {
        "parentRefs": {"type": "array", "items": PARENT},
        "hostnames": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"},
        },
        "rules": {"type": "array", "items": RULE},
    },
}


def http_route() -> CRD:
    """https://gateway-api.sigs.k8s.io/reference/spec/#httproute."""
    root = {"apiVersion": STRING, "kind": STRING, "metadata": {"type": "object"}, "spec": SPEC}
    schema = {"type": "object", "required": ["spec"], "properties": root}
    return CRD("v1", "HTTPRoute", "gateway.networking.k8s.io/v1", schema)
