"""Reading what servers have seen: a real HTTP server that answers as Prometheus and as Loupe's servers do."""

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest

from loupe.distribution import Distribution
from loupe.errors import InvalidOption
from loupe.images import Picture
from loupe.observed import Observer
from loupe.quality import measure
from training.monitoring import MonitoringError, read_prometheus, read_servers

MODEL = "edsr_x4"


class Monitored:
    """Answers /metrics with one registry, and /api/v1/query over ``pods`` of them as Prometheus would."""

    def __init__(self) -> None:
        self.observers = [Observer(), Observer()]
        self.failures: list[tuple[int, bytes]] = []
        self.queries: list[str] = []
        self.growth = 1.25  # what increase() extrapolates
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def metrics(self, pod: int) -> str:
        registry = CollectorRegistry()
        registry.register(self.observers[pod])
        return generate_latest(registry).decode()

    def answer(self, path: str, query: str) -> bytes:
        """The instant vector of ``sum by (...) (increase(name{model="..."}[window]))``, as Prometheus 3 writes it."""
        if path.endswith("/metrics"):
            return self.metrics(int(path.split("/")[1])).encode()
        assert path == "/api/v1/query"
        found = re.fullmatch(r'sum by \((.*)\) \(increase\((\w+)\{model="(\w+)"\}\[(\w+)\]\)\)', query)
        assert found, query
        self.queries.append(query)
        added: dict[tuple[tuple[str, str], ...], float] = {}
        for pod in range(len(self.observers)):
            for name, labels, value in re.findall(r"(\w+)\{(.*)\} (\S+)", self.metrics(pod)):
                told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
                if name == found[2] and told["model"] == found[3]:
                    key = tuple((label, told[label]) for label in found[1].split(", "))
                    added[key] = added.get(key, 0.0) + float(value) * self.growth
        result = [{"metric": dict(key), "value": [1795406400.781, f"{value!r}"]} for key, value in added.items()]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                status, body = outer.failures.pop(0) if outer.failures else (200, b"")
                if status == 200:
                    body = body or outer.answer(parts.path, parse_qs(parts.query).get("query", [""])[0])
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def monitored() -> Iterator[Monitored]:
    made = Monitored()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def pictures(photo: NDArray[np.uint8]) -> list[Picture]:
    return [Picture(color=np.ascontiguousarray(photo[y : y + 128, y : y + 128])) for y in (0, 100, 200, 300)]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr("training.monitoring.time.sleep", made.append)
    return made


def assert_same(got: Distribution, expected: Distribution, times: float = 1.0) -> None:
    assert got.count == pytest.approx(expected.count * times)
    for name, histogram in expected.features.items():
        assert got.features[name].counts == pytest.approx([count * times for count in histogram.counts])
        assert got.features[name].mean == pytest.approx(histogram.mean)


def test_prometheus_adds_up_all_pods_and_only_this_model(monitored: Monitored, pictures: list[Picture]) -> None:
    for number, picture in enumerate(pictures):
        monitored.observers[number % 2].count(MODEL, picture)
        monitored.observers[0].count("another", picture)
    expected = Distribution.of([measure(picture) for picture in pictures])
    assert_same(read_prometheus(f"{monitored.url}/", MODEL, window="12h"), expected, monitored.growth)
    assert monitored.queries == [
        'sum by (feature, le) (increase(loupe_picture_feature_bucket{model="edsr_x4"}[12h]))',
        'sum by (feature) (increase(loupe_picture_feature_sum{model="edsr_x4"}[12h]))',
    ]


def test_servers_are_added_up(monitored: Monitored, pictures: list[Picture]) -> None:
    for number, picture in enumerate(pictures):
        monitored.observers[number % 2].count(MODEL, picture)
        monitored.observers[0].count("another", picture)
    expected = Distribution.of([measure(picture) for picture in pictures])
    assert_same(read_servers([f"{monitored.url}/{pod}" for pod in range(2)], MODEL), expected)


def test_no_pictures_are_none(monitored: Monitored) -> None:
    assert read_prometheus(monitored.url, MODEL).count == 0
    assert read_servers([f"{monitored.url}/0"], MODEL).count == 0


def test_a_short_trouble_is_waited_out(monitored: Monitored, pictures: list[Picture], pauses: list[float]) -> None:
    monitored.observers[0].count(MODEL, pictures[0])
    monitored.failures = [(503, b""), (429, b""), (502, b"")]
    assert read_prometheus(monitored.url, MODEL).count == pytest.approx(monitored.growth)
    assert [round(pause, 0) for pause in pauses] == sorted(round(pause, 0) for pause in pauses)
    assert len(pauses) == 3


def test_prometheus_that_stays_down_is_a_clear_error_without_the_password(pauses: list[float]) -> None:
    with pytest.raises(MonitoringError) as failure:
        read_prometheus("http://somebody:hunter2@127.0.0.1:9", MODEL, retries=2)
    told = str(failure.value)
    assert told.startswith("Prometheus at http://127.0.0.1:9 does not answer: ")
    assert told.endswith("Check that it runs, and the address. Tried 3 times.")
    assert "hunter2" not in told
    assert len(pauses) == 2


def refused(status: int, body: bytes) -> Callable[[Monitored], None]:
    def prepare(monitored: Monitored) -> None:
        monitored.failures = [(status, body)]

    return prepare


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (refused(401, b""), "answered 401: Unauthorized. Check the address, and what is needed to get in"),
        (refused(422, b'{"status":"error","errorType":"execution","error":"too many samples"}'), "too many samples"),
        (refused(200, b"<html>hello</html>"), "does not answer as Prometheus: .*hello"),
        (refused(200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'), "as Prometheus"),
    ],
)
def test_another_answer_is_said_at_once(
    monitored: Monitored, prepare: Callable[[Monitored], None], said: str, pauses: list[float]
) -> None:
    prepare(monitored)
    with pytest.raises(MonitoringError, match=said):
        read_prometheus(monitored.url, MODEL)
    assert not pauses


def test_buckets_of_another_release_are_refused(monitored: Monitored) -> None:
    vector = [{"metric": {"feature": "light_mean", "le": "10.0"}, "value": [1.0, "3"]}]
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": vector}}).encode()
    empty = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
    monitored.failures = [(200, body), (200, empty)]
    with pytest.raises(MonitoringError, match=r"got buckets of light_mean at \[10.0\].* another release"):
        read_prometheus(monitored.url, MODEL)


@pytest.mark.parametrize("url", ["", "prometheus:9090", "ftp://a", "http://", "http://a?b=c"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidOption, match="Not an address"):
        read_prometheus(url, MODEL)


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(InvalidOption, match="window: got '7 days'"):
        read_prometheus("http://127.0.0.1:9", MODEL, window="7 days")
    with pytest.raises(InvalidOption, match="model: got"):
        read_prometheus("http://127.0.0.1:9", 'x"} or up{a="')
    with pytest.raises(InvalidOption, match="servers: got none"):
        read_servers([], MODEL)
