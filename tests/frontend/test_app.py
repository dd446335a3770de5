"""Everything of the page's server but the pictures: models, health, figures, documentation, guards."""

import re
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from frontend.guard import HEADERS
from frontend.settings import WebSettings
from tests.frontend.conftest import DRAWS, QUICK, SLOW, picture_bytes
from tests.frontend.house import House
from tests.frontend.test_upscale import send

EVERY_PATH = [
    "/",
    "/sample.jpg",
    "/api/models",
    "/healthz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/nothing",
    "/api/results/x",
]


def test_models_say_what_they_are_and_whether_they_are_ready(api: httpx.Client) -> None:
    told = api.get("/api/models").json()

    by_name = {model["name"]: model for model in told["models"]}
    assert set(by_name) == {QUICK, SLOW, "edsr_fast_x2", DRAWS}
    assert [name for name, model in by_name.items() if model["default"]] == [QUICK, DRAWS]
    assert all(model["ready"] for model in told["models"])
    quick = by_name[QUICK]
    assert (quick["scale"], quick["license"], quick["version"]) == (4, "Apache-2.0", "1")
    assert quick["parameters"] > 0
    assert quick["metrics"]["set5_psnr_y"] == 28.0
    assert told["limits"]["max_bytes"] == 64 * 1024**2


def test_it_lives_and_is_ready(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == api.get("/readyz").json() == {"status": "ok"}


def test_figures_are_by_route_not_by_path(api: httpx.Client) -> None:
    send(api, picture_bytes(33, 20, seed=30), model=QUICK)
    send(api, picture_bytes(33, 20, seed=30), model=QUICK)
    api.get("/api/results/" + "0" * 64)
    api.get("/one-of-endlessly-many-paths")

    text = api.get("/metrics").text

    figures = dict(re.findall(r"^(loupe_web\S+) (\S+)$", text, re.MULTILINE))
    assert float(figures['loupe_web_requests_total{method="GET",route="/api/results/{key}",status="404"}']) >= 1
    assert float(figures['loupe_web_requests_total{method="POST",route="/api/upscale",status="200"}']) >= 2
    assert float(figures['loupe_web_request_seconds_count{route="/api/upscale"}']) >= 2
    assert float(figures["loupe_web_tiles_total"]) >= 2
    assert float(figures["loupe_web_cache_hits_total"]) >= 1
    assert figures["loupe_web_jobs_running"] == "0.0"
    assert "endlessly" not in text


def test_the_page_comes_as_it_was_built(api: httpx.Client) -> None:
    page = api.get("/")
    assert page.headers["cache-control"] == "no-cache"
    script = re.search(r'src="(/assets/[^"]+\.js)"', page.text)
    assert script
    assert "immutable" in api.get(script[1]).headers["cache-control"]
    assert "immutable" not in api.get("/assets/missing.js").headers.get("cache-control", "")


def test_the_documentation_needs_no_other_host(api: httpx.Client) -> None:
    page = api.get("/docs").text
    assert "://" not in page
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert api.get(address).status_code == 200, address
    assert api.get("/docs/../settings.py").status_code == 404
    assert api.get("/docs/redoc.standalone.js").status_code == 404


def test_every_route_is_documented_with_an_example(api: httpx.Client) -> None:
    paths = api.get("/openapi.json").json()["paths"]

    assert set(paths) == {
        "/api/upscale",
        "/api/draw",
        "/api/results/{key}",
        "/api/preview",
        "/api/models",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    form = paths["/api/upscale"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"file", "model", "format", "quality", "width", "height", "keep_metadata"} == set(form["properties"])
    answers = paths["/api/upscale"]["post"]["responses"]
    assert {"200", "400", "404", "413", "422", "502", "503"} <= set(answers)
    assert '"type":"progress"' in answers["200"]["content"]["application/x-ndjson"]["example"]
    assert paths["/api/models"]["get"]["responses"]["200"]["content"]["application/json"]["example"]["models"]


@pytest.mark.parametrize("path", EVERY_PATH)
def test_every_answer_is_guarded(api: httpx.Client, path: str) -> None:
    headers = api.get(path).headers

    assert {name: headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert "http" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/", "/api/upscale", "/api/models"])
def test_other_methods_are_not_allowed(api: httpx.Client, method: str, path: str) -> None:
    answer = api.request(method, path)

    assert (answer.status_code, list(answer.json())) == (405, ["error"])


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "[", ""])
def test_foreign_names_are_not_answered(api: httpx.Client, host: str) -> None:
    assert api.get("/api/models", headers={"Host": host}).status_code == 421
    assert api.get("/api/models", headers={"Host": "localhost:1"}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_pages_of_other_sites_send_nothing(api: httpx.Client, headers: dict[str, str]) -> None:
    assert api.post("/api/upscale", headers=headers).status_code == 403


def test_huge_headers_are_refused(house: House) -> None:
    there = urlsplit(house.url)
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Huge: " + b"x" * 100_000
    for last, status in ((b"\r\n\r\n", b"431"), (b"", b"400")):  # complete, and without an end
        with socket.create_connection((there.hostname, there.port), timeout=10) as client:
            client.sendall(request + last)
            assert client.recv(1000).startswith(b"HTTP/1.1 " + status)


def test_a_preview_shows_what_browsers_cannot(api: httpx.Client) -> None:
    tiff = picture_bytes(3000, 30, seed=31, format="TIFF")

    answer = api.post("/api/preview", files={"file": tiff})

    assert answer.headers["x-picture-size"] == "3000x30"
    assert answer.headers["content-type"] == "image/png"
    assert answer.content[16:24] == (2048).to_bytes(4) + (20).to_bytes(4)
    assert api.post("/api/preview", files={"file": b"text"}).status_code == 400


@pytest.mark.parametrize(
    ("host", "allowed", "names"),
    [
        ("127.0.0.1", (), {"127.0.0.1", "::1", "localhost"}),
        ("0.0.0.0", (), None),
        ("0.0.0.0", ("loupe.example",), {"loupe.example"}),
        ("127.0.0.1", ("*",), None),
    ],
)
def test_names_follow_the_address(host: str, allowed: tuple[str, ...], names: set[str] | None) -> None:
    assert WebSettings(web_host=host, allowed_hosts=allowed).hosts() == names


def test_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_OFFER_MODELS", "edsr_x2, edsr_x4")

    assert WebSettings().offer_models == ("edsr_x2", "edsr_x4")
