"""The mirror in a Model Registry: a small server that is as strict as the real one's API description."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loupe.records import Lineage, ModelVersion
from serving.model_registry import ModelRegistry, RegistryError

ROOT = "/api/model_registry/v1alpha3/"
MODEL = {"name", "customProperties", "description", "externalId", "owner", "state"}
VERSION = {"name", "registeredModelId", "customProperties", "description", "externalId", "author", "state"}
ARTIFACT = {
    "artifactType",
    "name",
    "uri",
    "modelFormatName",
    "modelFormatVersion",
    "customProperties",
    "description",
    "externalId",
    "state",
}
RECORD = ModelVersion(
    name="tiny_x4",
    version="3",
    metrics={"set5_psnr_y": 31.5},
    lineage=Lineage(data="d" * 64, run="run-1"),
    sha256="a" * 64,
)


@dataclass
class Registry:
    """What it holds: (kind, parent, name) -> body with id."""

    url: str = ""
    held: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    race: bool = False  # somebody else makes each thing between our look and our request
    broken: bool = False


def answer(registry: Registry, verb: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
    if registry.broken or not path.startswith(ROOT):
        return 500, {"code": "", "message": "database is locked"}
    parts = path.removeprefix(ROOT).split("/")
    if verb == "GET":
        kinds = {"registered_model": "model", "model_version": "version", "model_artifact": "artifact"}
        found = registry.held.get((kinds[parts[0]], query.get("parentResourceId", ""), query["name"]))
        return (200, found) if found else (404, {"code": "404", "message": "no such thing"})
    registry.posts += 1
    if parts == ["registered_models"]:
        kind, parent, allowed, required = "model", "", MODEL, {"name"}
    elif (parts[0], parts[2]) == ("registered_models", "versions"):
        kind, parent, allowed, required = "version", parts[1], VERSION, {"name", "registeredModelId"}
        assert body["registeredModelId"] == parent
    else:
        assert (parts[0], parts[2]) == ("model_versions", "artifacts")
        kind, parent, allowed, required = "artifact", parts[1], ARTIFACT, {"artifactType"}
        assert body["artifactType"] == "model-artifact"
    assert required <= body.keys() <= allowed
    for value in body.get("customProperties", {}).values():
        kinds_of = {"MetadataStringValue": ("string_value", str), "MetadataDoubleValue": ("double_value", float)}
        key, kind_of = kinds_of[value["metadataType"]]
        assert value.keys() == {"metadataType", key}
        assert isinstance(value[key], kind_of)
    there = (kind, parent, body["name"]) in registry.held
    registry.held.setdefault((kind, parent, body["name"]), {**body, "id": str(len(registry.held) + 1)})
    return (409, {"message": "exists"}) if there or registry.race else (201, registry.held[kind, parent, body["name"]])


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
            try:
                code, said = answer(registry, self.command, parts.path, query, body)
            except (AssertionError, KeyError) as error:
                code, said = 400, {"code": "400", "message": f"{parts.path}: {error!r}"}
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = handle_one  # noqa: N815  # as http.server calls them

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    registry.url = "http://{}:{}".format(*server.server_address[:2])
    yield registry
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_version_is_mirrored_once(registry: Registry) -> None:
    told: list[str] = []
    for _ in range(2):
        ModelRegistry(f"{registry.url}/").add(RECORD, "s3://models/models/tiny_x4/3", told.append)
    assert registry.posts == 3
    assert list(registry.held) == [
        ("model", "", "tiny_x4"),
        ("version", "1", "3"),
        ("artifact", "2", "tiny_x4-3"),
    ]
    artifact = registry.held["artifact", "2", "tiny_x4-3"]
    assert (artifact["uri"], artifact["modelFormatName"]) == ("s3://models/models/tiny_x4/3", "loupe")
    properties = registry.held["version", "1", "3"]["customProperties"]
    assert properties["run"]["string_value"] == "run-1"
    assert properties["set5_psnr_y"]["double_value"] == 31.5
    assert "recipe" not in properties
    assert "version 3 is in the Model Registry" in told[0]
    later = RECORD.model_copy(update={"version": "4"})
    ModelRegistry(registry.url).add(later, "s3://models/models/tiny_x4/4", told.append)
    assert registry.posts == 5  # the model is there


def test_two_writers_at_once_share_what_the_first_made(registry: Registry) -> None:
    registry.race = True
    ModelRegistry(registry.url).add(RECORD, "s3://models/models/tiny_x4/3", lambda _: None)
    assert len(registry.held) == 3


def test_what_is_wrong_is_said(registry: Registry) -> None:
    registry.broken = True
    with pytest.raises(RegistryError, match=r"500 .*database is locked.*expected the API"):
        ModelRegistry(registry.url).add(RECORD, "s3://x", lambda _: None)
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 does not answer"):
        ModelRegistry("http://127.0.0.1:9").add(RECORD, "s3://x", lambda _: None)
