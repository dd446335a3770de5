"""An API server with KServe behind it, as far as publishing needs one: real HTTP, strict about what it is sent.

with running_api(crd) as api: Cluster(api.client(), "ml")

A version comes up in four looks, as a real one does: the old status, the new generation, Ready thanks to old pods
(kserve/kserve#4626), a pod that starts, and at last one that is ready beside none of another version.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from serving.cluster import SERVICE_LABEL, SOURCE
from tests.crds import CRD, problems

SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/"
PODS = "/api/v1/namespaces/ml/pods"
TOKEN = "s3cret"


@dataclass
class API:
    """What the cluster holds and was asked. Set the first fields to make it misbehave."""

    crd: CRD | None = None
    broken: set[str] = field(default_factory=set)  # URIs of versions whose pods never get ready
    conflict: str = ""  # said to whoever applies without force
    always_conflict: bool = False
    forbidden: set[str] = field(default_factory=set)  # "patch inferenceservices"
    away: int = 0  # requests to be answered 503
    url: str = ""
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: list[dict[str, Any]] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    looks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self) -> Any:
        configuration = client.Configuration(host=self.url, api_key={"authorization": f"Bearer {TOKEN}"})
        configuration.retries = 0
        return client.ApiClient(configuration)

    def uris(self, name: str) -> list[str]:
        """Where the pods of a service get their models."""
        spec = self.services[name]["spec"]
        predictors = [spec["predictor"], *(each["predictor"] for each in spec.get("canary", ()))]
        return [predictor["model"]["storageUri"] for predictor in predictors]


def answer(api: API, verb: str, path: str, query: dict[str, str], kind: str, body: bytes) -> tuple[int, object]:
    """Status and body."""
    if api.away:
        api.away -= 1
        return 503, status("the server is currently unable to handle the request")
    right = {"PATCH": "patch inferenceservices", "GET": "get inferenceservices"}[verb]
    right = "list pods" if path == PODS else right
    if right in api.forbidden:
        verb_told, resource = right.split()
        return 403, status(
            f'{resource} is forbidden: User "system:serviceaccount:ml:runner" cannot {verb_told} {resource}'
        )
    if path == PODS:
        name = query["labelSelector"].removeprefix(f"{SERVICE_LABEL}=")
        return 200, {"kind": "PodList", "apiVersion": "v1", "items": pods(api, name)}
    assert path.startswith(SERVICES), path
    name = path.removeprefix(SERVICES)
    if verb == "GET":
        if name not in api.services:
            return 404, status(f'inferenceservices.serving.kserve.io "{name}" not found')
        api.looks += 1
        return 200, {**api.services[name], "status": status_of(api, name)}
    return apply(api, name, query, kind, json.loads(body))


def apply(api: API, name: str, query: dict[str, str], kind: str, manifest: dict[str, Any]) -> tuple[int, object]:
    assert kind == "application/apply-patch+yaml"
    assert (query["fieldManager"], query["fieldValidation"]) == ("loupe", "Strict")
    assert (manifest["metadata"]["name"], manifest["metadata"]["namespace"]) == (name, "ml")
    if api.crd and (wrong := problems(manifest, api.crd)):
        return 400, status(f"strict decoding error: {wrong}")
    forced = query["force"] == "true"
    api.forced.append(forced)
    if api.always_conflict or (api.conflict and not forced):
        return 409, status(api.conflict)
    before = api.services.get(name)
    generation = before["metadata"]["generation"] + (before["spec"] != manifest["spec"]) if before else 1
    metadata = {**manifest["metadata"], "generation": generation}
    api.services[name] = {**manifest, "metadata": metadata}
    api.applied.append(manifest)
    api.looks = 0
    return 200 if before else 201, api.services[name]


def status_of(api: API, name: str) -> dict[str, Any]:
    generation = api.services[name]["metadata"]["generation"]
    ready = {"type": "Ready", "status": "True"}
    if api.looks == 1:
        return {"observedGeneration": generation - 1, "conditions": [ready] if generation > 1 else []}
    if api.broken & set(api.uris(name)) and api.looks > 2:
        wrong = {"type": "PredictorReady", "status": "False", "reason": "MinimumReplicasUnavailable"}
        return {"observedGeneration": generation, "conditions": [{**ready, "status": "False"}, wrong]}
    return {
        "observedGeneration": generation,
        "conditions": [ready, {"type": "Stopped", "status": "False"}],
        "modelStatus": {"transitionStatus": "UpToDate"},
        "url": f"http://{name}.ml.example.com",
        "address": {"url": f"http://{name}.ml.svc.cluster.local"},
    }


def pods(api: API, name: str) -> list[dict[str, Any]]:
    """The old one for two looks, then those of each URI: starting, then ready (never, if broken)."""
    if api.looks <= 2:
        return [pod("old", "s3://models/old", ready=True)]
    return [
        pod(f"new-{number}", uri, ready=api.looks > 3 and uri not in api.broken, broken=uri in api.broken)
        for number, uri in enumerate(api.uris(name))
    ]


def pod(name: str, uri: str, *, ready: bool, broken: bool = False) -> dict[str, Any]:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    return {
        "metadata": {"name": name, "annotations": {SOURCE: uri}},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "kserve-container", "state": waiting if broken else {"running": {}}}],
        },
    }


def status(message: str) -> dict[str, str]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}


@contextmanager
def running_api(crd: CRD | None = None) -> Iterator[API]:
    """The server, in threads of this process."""
    api = API(crd)

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                code, said = 401, status("Unauthorized")
            else:
                with api.lock:
                    kind = self.headers.get("Content-Type", "")
                    code, said = answer(api, self.command, parts.path, query, kind, body)
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PATCH = handle_one  # noqa: N815  # as http.server calls them

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    api.url = "http://{}:{}".format(*server.server_address[:2])
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
