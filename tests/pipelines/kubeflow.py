"""A small Kubeflow Pipelines server: the part of its v2beta1 API that we use, strict about what it is sent.

Bodies must deserialize into kfp_server_api's models, without a field that these do not have. A page of a list has two.
"""

import email
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api
import yaml

API = "/apis/v2beta1"
MODELS = {
    "experiments": "V2beta1Experiment",
    "pipelines": "V2beta1Pipeline",
    "runs": "V2beta1Run",
    "recurringruns": "V2beta1RecurringRun",
}
IDENTITIES = {
    "experiments": "experiment_id",
    "pipelines": "pipeline_id",
    "runs": "run_id",
    "recurringruns": "recurring_run_id",
    "versions": "pipeline_version_id",
}
NAMES = {"recurringruns": "recurringRuns", "versions": "pipeline_versions"}  # of a list's field, if unlike the path
PAGE = 2


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token = ""
        self.multi_user = False
        self.status = 0  # instead of an answer
        self.redirect = ""
        self.page = ""
        self.down = 0  # answers of 503 to questions after runs
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.yamls: list[str] = []
        self.kept: dict[str, list[dict[str, Any]]] = {kind: [] for kind in IDENTITIES}
        self.progress: list[dict[str, Any]] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_address[1]}/pipeline"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.handle_one("GET", b"")

    def do_DELETE(self) -> None:
        self.handle_one("DELETE", b"")

    def do_POST(self) -> None:
        self.handle_one("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def handle_one(self, method: str, body: bytes) -> None:
        server, parts = self.server, urlsplit(self.path)
        server.asked.append((method, parts.path))
        query = {key: value for key, (value, *_) in parse_qs(parts.query).items()}
        if server.redirect:
            return self.answer(302, b"", Location=server.redirect)
        if server.page:
            return self.answer(200, server.page.encode(), Content_Type="text/html")
        if server.token and self.headers["Authorization"] != f"Bearer {server.token}":
            return self.refuse(401, f"no such token: {self.headers['Authorization']}")
        if server.status:
            return self.refuse(server.status, "said by the server")
        if not parts.path.startswith(f"/pipeline{API}/"):
            return self.refuse(404, "no such page")
        kind, _, rest = parts.path.removeprefix(f"/pipeline{API}/").partition("/")
        if kind == "healthz":
            return self.tell({"multi_user": server.multi_user})
        try:
            self.route(method, kind, rest, query, body)
        except (ValueError, KeyError, AssertionError) as error:
            self.refuse(400, f"{type(error).__name__}: {error}")

    def route(self, method: str, kind: str, rest: str, query: dict[str, str], body: bytes) -> None:
        kept = self.server.kept[kind]
        if (method, rest) == ("POST", "upload_version"):
            self.tell(self.upload(query, body))
        elif (method, rest) == ("POST", ""):
            self.tell(self.make(kind, json.loads(body)))
        elif (method, rest) == ("GET", ""):
            self.list(kind, kept, query)
        elif method == "GET" and rest.endswith("/versions"):
            owner = rest.removesuffix("/versions")
            self.list("versions", [v for v in self.server.kept["versions"] if v["pipeline_id"] == owner], query)
        elif method == "GET" and kind == "runs" and any(run["run_id"] == rest for run in kept):
            if self.server.down:
                self.server.down -= 1
                self.refuse(503, "starting")
                return
            more = self.server.progress.pop(0) if len(self.server.progress) > 1 else self.server.progress[0]
            self.tell(next(run for run in kept if run["run_id"] == rest) | more)
        elif method == "DELETE" and any(one[IDENTITIES[kind]] == rest for one in kept):
            kept[:] = [one for one in kept if one[IDENTITIES[kind]] != rest]
            self.tell({})
        else:
            self.refuse(404, f"no {kind} {rest}")

    def make(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        strictly(given, MODELS[kind])
        self.server.bodies.append((kind, given))
        same = [(one["display_name"], one.get("namespace")) for one in self.server.kept[kind]]
        if kind == "pipelines" and (given["display_name"], given.get("namespace")) in same:
            raise ValueError("already exists")
        if "experiment_id" in given:
            assert any(e["experiment_id"] == given["experiment_id"] for e in self.server.kept["experiments"])
        made = (
            given | {IDENTITIES[kind]: str(uuid.uuid4())} | ({"status": "ENABLED"} if kind == "recurringruns" else {})
        )
        self.server.kept[kind].append(made)
        return made

    def upload(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        assert any(one["pipeline_id"] == query["pipelineid"] for one in self.server.kept["pipelines"])
        message = email.message_from_bytes(
            b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        (part,) = message.get_payload()  # type: ignore[misc]
        assert part.get_param("name", header="content-disposition") == "uploadfile"  # type: ignore[union-attr]
        text = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        assert next(yaml.safe_load_all(text))["schemaVersion"]
        self.server.yamls.append(text)
        made = {
            "pipeline_id": query["pipelineid"],
            "pipeline_version_id": str(uuid.uuid4()),
            "display_name": query["name"],
            "description": query.get("description", ""),
        }
        self.server.kept["versions"].append(made)
        return made

    def list(self, kind: str, kept: list[dict[str, Any]], query: dict[str, str]) -> None:
        if namespace := query.get("namespace"):
            owners = {e["experiment_id"] for e in self.server.kept["experiments"] if e.get("namespace") == namespace}
            kept = [o for o in kept if o.get("namespace") == namespace or o.get("experiment_id") in owners]
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            assert predicate["operation"] in ("EQUALS", 1)
            kept = [one for one in kept if one[predicate["key"]] == predicate["stringValue"]]
        first = int(query.get("page_token") or 0)
        page: dict[str, Any] = {NAMES.get(kind, kind): kept[first : first + PAGE], "total_size": len(kept)}
        self.tell(page | ({"next_page_token": str(first + PAGE)} if len(kept) > first + PAGE else {}))

    def tell(self, content: dict[str, Any]) -> None:
        self.answer(200, json.dumps(content).encode())

    def refuse(self, status: int, message: str) -> None:
        self.answer(status, json.dumps({"code": 3, "message": message, "details": []}).encode())

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Answer:
    def __init__(self, content: object) -> None:
        self.data = json.dumps(content)


def strictly(given: dict[str, Any], model: str) -> None:
    """Raises ValueError for what does not deserialize, and for a field that is lost on the way."""
    client = kfp_server_api.ApiClient()
    seen = client.sanitize_for_serialization(client.deserialize(_Answer(given), model))
    if _texts(seen) != _texts(given):
        raise ValueError(f"got {given}, expected {seen} of a {model}")


def _texts(given: object) -> object:
    """With numbers as text: of an int64 protobuf's JSON takes either."""
    if isinstance(given, dict):
        return {key: _texts(value) for key, value in given.items()}
    if isinstance(given, list):
        return [_texts(value) for value in given]
    return given if isinstance(given, bool) else str(given)


@contextmanager
def serving(context: SSLContext | None = None) -> Iterator[Server]:
    with Server() as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path) -> tuple[Path, SSLContext]:
    """A certificate for localhost that signs itself, and the context of a server that has it."""
    import datetime as dt
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
