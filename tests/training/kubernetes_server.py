"""A small Kubernetes API server: TrainJobs, PyTorchJobs, their pods and logs, over real HTTP.

It refuses what a real one refuses: no token, fields that the definitions (if they are at hand) do not have, verbs
outside RULES, names that exist, deletions for another uid. What controllers do, a test does: ``start_pod``, ``end`` ...
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from kubernetes import client

from tests.crds import CRD, problems
from training.api_server import RULES
from training.pods import KINDS, Kind

TOKEN = "a-token-for-tests"
Object = dict[str, Any]
GROUPS = {f"/apis/{kind.group}/{kind.version}": (name, kind) for name, kind in KINDS.items()}


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = {"kind": "Status", "code": code, "reason": reason, "message": message, "status": "Failure"}


class KubernetesServer:
    def __init__(self, crds: Sequence[CRD] = ()) -> None:
        self.crds = crds
        self.jobs: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        self.logs: dict[str, list[tuple[float, str]]] = {}
        self.rules: Sequence[Mapping[str, list[str]]] = RULES
        self.seen: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self.unavailable = 0  # so many of the next requests are answered with 503
        self.cuts: list[int] = []  # the next logs break after so many bytes
        self.limit = 8  # nodes of a TrainJob
        self.deletion_seconds = 0.0
        self.controller: Callable[[Object], None] = lambda job: None
        self.lock = threading.RLock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        if self.wrong:
            raise AssertionError("\n".join(self.wrong))

    def api(self) -> Any:
        settings = client.Configuration(host=self.url, api_key={"authorization": f"Bearer {TOKEN}"})
        settings.retries = False
        return client.ApiClient(settings)

    def kubeconfig(self, path: Path) -> Path:
        named = {"clusters": [{"name": "c", "cluster": {"server": self.url}}]}
        users = {"users": [{"name": "u", "user": {"token": TOKEN}}]}
        contexts = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}]}
        path.write_text(yaml.safe_dump({"current-context": "x", **named, **users, **contexts}))
        return path

    # What controllers and kubelets do.

    def start_pod(self, job: Object, index: int, phase: str = "Running") -> str:
        """A pod of the node ``index``, with the labels that JobSet or the training operator give."""
        name = job["metadata"]["name"]
        if job["kind"] == "TrainJob":
            pod = f"{name}-node-0-{index}-{uuid.uuid4().hex[:5]}"
            labels = {
                "jobset.sigs.k8s.io/jobset-name": name,
                "jobset.sigs.k8s.io/replicatedjob-name": "node",
                "batch.kubernetes.io/job-completion-index": str(index),
            }
        else:
            role = "worker" if index else "master"
            pod = f"{name}-{role}-{max(0, index - 1)}"
            labels = {
                "training.kubeflow.org/job-name": name,
                "training.kubeflow.org/replica-type": role,
                "training.kubeflow.org/replica-index": str(max(0, index - 1)),
            }
        with self.lock:
            metadata = {"name": pod, "namespace": "ml", "uid": str(uuid.uuid4()), "labels": labels}
            self.pods[pod] = {"metadata": metadata, "owner": name, "status": {"phase": phase, "conditions": []}}
            self.logs[pod] = []
        return pod

    def print(self, pod: str, *lines: str) -> None:
        with self.lock:
            self.logs[pod] += [(time.time(), line) for line in lines]

    def disrupt(self, pod: str, reason: str = "PreemptionByScheduler") -> None:
        with self.lock:
            condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
            self.pods[pod]["status"]["conditions"].append(condition)
            self.pods[pod]["status"]["phase"] = "Failed"

    def condition(self, job: Object, type_: str, reason: str = "", message: str = "") -> None:
        with self.lock:
            conditions = self.jobs[job["metadata"]["name"]].setdefault("status", {}).setdefault("conditions", [])
            conditions.append({"type": type_, "status": "True", "reason": reason, "message": message})

    def end(self, job: Object, *, succeeded: bool = True, reason: str = "", message: str = "") -> None:
        with self.lock:
            for pod in self.pods.values():
                if pod["owner"] == job["metadata"]["name"]:
                    pod["status"]["phase"] = "Succeeded" if succeeded else "Failed"
            self.condition(job, KINDS[job["kind"]].succeeded if succeeded else "Failed", reason, message)

    # What the API server does.

    def create(self, kind_name: str, namespace: str, body: Object, query: Mapping[str, str]) -> Object:
        if query.get("fieldValidation") != "Strict":
            self.wrong.append("created without strict validation")
        for crd in self.crds:
            if crd.kind == kind_name:
                self.wrong += [f"{crd.release}: {problem}" for problem in problems(body, crd)]
        if kind_name == "TrainJob" and body["spec"]["trainer"]["numNodes"] > self.limit:
            raise Refused(422, "Invalid", f"got {body['spec']['trainer']['numNodes']} nodes, at most {self.limit}")
        name = body["metadata"]["name"]
        if body["metadata"]["namespace"] != namespace or body["kind"] != kind_name:
            raise Refused(400, "BadRequest", "the object does not fit the address")
        if name in self.jobs:
            raise Refused(409, "AlreadyExists", f'{kind_name} "{name}" already exists')
        made = json.loads(json.dumps(body))
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": datetime.now(UTC).isoformat()}
        self.jobs[name] = made
        threading.Thread(target=self.controller, args=(made,), daemon=True).start()
        return made

    def delete(self, name: str, options: Object) -> Object:
        job = self.jobs[name]
        if options.get("propagationPolicy") != "Foreground":
            self.wrong.append("deleted without its pods")
        if options.get("preconditions", {}).get("uid") != job["metadata"]["uid"]:
            raise Refused(409, "Conflict", "the UID in the precondition does not match")
        job["metadata"]["deletionTimestamp"] = datetime.now(UTC).isoformat()

        def finish() -> None:
            with self.lock:
                self.jobs.pop(name, None)
                self.pods = {key: pod for key, pod in self.pods.items() if pod["owner"] != name}

        if self.deletion_seconds:
            threading.Timer(self.deletion_seconds, finish).start()
        else:
            finish()
        return job

    def check(self, verb: str, group: str, resource: str) -> None:
        self.seen.append((verb, resource))
        for rule in self.rules:
            if group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]:
                return
        who = 'User "system:serviceaccount:ml:pipeline-runner"'
        what = f'cannot {verb} resource "{resource}" in API group "{group}" in the namespace "ml"'
        raise Refused(403, "Forbidden", f"{resource}.{group} is forbidden: {who} {what}")

    def log(self, pod: str, kind_container: str, query: Mapping[str, str]) -> bytes:
        if pod not in self.pods:
            raise Refused(404, "NotFound", f'pods "{pod}" not found')
        if (
            query.get("container") != kind_container
            or query.get("timestamps", "").lower() != "true"
            or "follow" in query
        ):
            self.wrong.append(f"log of {pod}: {query}")
        if self.pods[pod]["status"]["phase"] == "Pending":
            raise Refused(400, "BadRequest", "container is waiting to start: ContainerCreating")
        oldest = time.time() - int(query.get("sinceSeconds", "1000000000"))
        lines = [f"{_stamp(at)} {line}\n" for at, line in self.logs[pod] if at >= oldest]
        return "".join(lines).encode()


def _stamp(at: float) -> str:
    """RFC3339Nano, which drops zeros at the end of the fraction."""
    fraction = f"{at % 1:.9f}"[2:].rstrip("0")
    whole = datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def _handler(server: KubernetesServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                with server.lock:
                    found = self.dispatch(json.loads(body) if body else {})
            except Refused as refused:
                self.send(refused.status["code"], refused.status)  # type: ignore[arg-type]
            else:
                if isinstance(found, bytes):
                    self.send_log(found)
                else:
                    self.send(201 if self.command == "POST" else 200, found)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  # http.server looks for these

        def dispatch(self, body: Object) -> Object | bytes:
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            if server.unavailable:
                server.unavailable -= 1
                raise Refused(503, "ServiceUnavailable", "etcd leader changed")
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            root, _, rest = parts.path.partition("/namespaces/")
            namespace, resource, *names = rest.split("/")
            if root == "/api/v1" and resource == "pods":
                return self.pods(names, query)
            if root in GROUPS and resource == GROUPS[root][1].plural:
                kind_name, kind = GROUPS[root]
                return self.jobs(kind_name, kind, namespace, names, body, query)
            server.wrong.append(f"{self.command} {self.path}")
            raise Refused(404, "NotFound", "the server could not find the requested resource")

        def pods(self, names: list[str], query: dict[str, str]) -> Object | bytes:
            if names:
                server.check("get", "", "pods/log")
                owner = server.pods.get(names[0], {}).get("owner", "")
                kind = KINDS[server.jobs[owner]["kind"]] if owner in server.jobs else KINDS["TrainJob"]
                return server.log(names[0], kind.container, query)
            server.check("list", "", "pods")
            key, _, value = query["labelSelector"].partition("=")
            found = [pod for pod in server.pods.values() if pod["metadata"]["labels"].get(key) == value]
            return {"kind": "PodList", "apiVersion": "v1", "items": found}

        def jobs(
            self, kind_name: str, kind: Kind, namespace: str, names: list[str], body: Object, query: dict[str, str]
        ) -> Object:
            verb = {"GET": "get", "POST": "create", "DELETE": "delete"}[self.command]
            server.check(verb, kind.group, kind.plural)
            if verb == "create":
                return server.create(kind_name, namespace, body, query)
            if names[0] not in server.jobs:
                raise Refused(404, "NotFound", f'{kind.plural} "{names[0]}" not found')
            return server.jobs[names[0]] if verb == "get" else server.delete(names[0], body)

        def send(self, code: int, body: Object) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def send_log(self, data: bytes) -> None:
            """Chunked, as the API server does; cut off where the test says."""
            cut = server.cuts.pop(0) if server.cuts and data else None
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            piece = data if cut is None else data[:cut]
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut is None:
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
