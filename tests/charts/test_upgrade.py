"""Secrets are generated once: an upgrade finds those that the API server has, here a small one of our own."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helm_python.chart import Chart
from helm_python.config import Config

from tests.charts.rendering import CHART, Rendering, render

S3 = {"storage": {"enabled": True, "bundled": {"enabled": True}}}
ALL = {**S3, "pipelines": {"enabled": True}, "features": {"enabled": True}}


class Secrets(ThreadingHTTPServer):
    """As much of an API server as Helm's ``lookup`` asks for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def keep(self, name: str, values: dict[str, str]) -> None:
        """As the API server keeps a Secret's ``stringData``."""
        self.kept[f"/api/v1/namespaces/ml/secrets/{name}"] = {
            key: base64.b64encode(value.encode()).decode() for key, value in values.items()
        }


class Handler(BaseHTTPRequestHandler):
    server: Secrets

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path == "/api/v1":
            kind = {"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret", "verbs": ["get"]}
            self._answer({"kind": "APIResourceList", "groupVersion": "v1", "resources": [kind]})
        elif path in self.server.kept:
            name = path.rpartition("/")[2]
            metadata = {"name": name, "namespace": "ml"}
            self._answer({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": self.server.kept[path]})
        else:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            self._answer(status, 404)

    def _answer(self, body: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    monkeypatch.setenv("HOME", str(tmp_path))  # Helm keeps a cache of what a server has
    with Secrets() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def upgraded(server: Secrets, values: dict[str, Any]) -> Rendering:
    address = f"http://127.0.0.1:{server.server_port}"
    clusters = [{"name": "c", "cluster": {"server": address}}]
    contexts = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    told = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts}
    told |= {"users": [{"name": "u", "user": {}}], "current-context": "c"}
    with Config(kubeconfig_content=json.dumps(told), namespace="ml") as config, Chart.load(CHART) as chart:
        return Rendering(values, config.render(chart, values, name="loupe", namespace="ml", is_upgrade=True))


def test_generated_secrets_are_kept(server: Secrets) -> None:
    first = upgraded(server, ALL)
    s3, redis = (first.one("Secret", name)["stringData"] for name in ("loupe-s3", "loupe-redis"))
    assert {path.rpartition("/")[2] for path in server.asked} >= {"loupe-s3", "loupe-redis"}
    server.keep("loupe-s3", s3)
    server.keep("loupe-redis", redis)
    second = upgraded(server, ALL)
    assert second.one("Secret", "loupe-s3")["stringData"] == s3
    assert second.one("Secret", "loupe-redis")["stringData"] == redis


def test_a_secret_of_one_s_own_is_taken() -> None:
    made = render({**ALL, "features": {"enabled": True, "redis": {"existingSecret": "mine"}}})
    assert "loupe-redis" not in {each["metadata"]["name"] for each in made.all("Secret")}
    (volume,) = made.one("StatefulSet", "loupe-redis")["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"]["secretName"] == "mine"
    arguments = [str(one) for _, pod in made.pods() for each in pod.containers for one in each.get("args", ())]
    assert "--features-secret=mine" in arguments
