"""RemoteBackend against real HTTP servers, well-behaved and not (``misbehaving.py``)."""

import base64
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from loupe.errors import (
    BackendUnavailable,
    Cancelled,
    InvalidOption,
    ModelNotFound,
    NotAPicture,
    Overloaded,
    PictureTooLarge,
)
from loupe.open_inference import endpoint
from loupe.remote import RemoteBackend
from tests.loupe.misbehaving import MODEL, SCALE, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tiles(*shape: int, levels: int = 255) -> np.ndarray[Any, np.dtype[np.float32]]:
    random = np.random.default_rng(5)
    return (random.integers(0, levels + 1, shape) / levels).astype(np.float32)


def nearest(batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return batch.repeat(SCALE, 2).repeat(SCALE, 3)


def test_it_learns_version_scale_and_halo_and_enlarges_every_picture(server: Server) -> None:
    batch = tiles(3, 3, 11, 7)
    with RemoteBackend(server.url + "/", MODEL) as backend:
        assert (backend.name, backend.version, backend.scale, backend.halo) == (MODEL, "1", SCALE, 3)
        result = backend(batch)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, nearest(batch), atol=1e-6)
    assert len(server.requests) == 4  # the probe, and one a picture
    sent = server.requests[1]["inputs"][0]
    assert (sent["name"], sent["datatype"], sent["shape"]) == ("image", "BYTES", [1])
    assert base64.b64decode(sent["data"][0]).startswith(b"\x89PNG")


def test_values_between_the_8_bit_levels_travel_in_16_bits(server: Server) -> None:
    deep = tiles(1, 3, 8, 8, levels=65535)
    with RemoteBackend(server.url, MODEL) as backend:
        backend(tiles(1, 3, 8, 8))
        result = backend(deep)
    assert server.depths == [8, 8, 16]
    np.testing.assert_allclose(result, nearest(deep), atol=2e-7)


def test_values_outside_the_range_are_clipped_not_wrapped(server: Server) -> None:
    batch = np.array([-0.5, 1.5, 0.25, 1.0], dtype=np.float32).reshape(1, 1, 2, 2).repeat(3, 1)
    with RemoteBackend(server.url, MODEL) as backend:
        np.testing.assert_allclose(backend(batch), nearest(batch.clip(0, 1)), atol=1e-5)


def test_many_threads_share_one_backend(server: Server) -> None:
    batches = [tiles(1, 3, 5, 5 + side) for side in range(24)]
    with RemoteBackend(server.url, MODEL, connections=4) as backend, ThreadPoolExecutor(12) as pool:
        for batch, result in zip(batches, pool.map(backend, batches), strict=True):
            np.testing.assert_allclose(result, nearest(batch), atol=1e-6)


@pytest.mark.parametrize("trouble", ["full", "bad_gateway", "dropped", "silent", "hanging", "dribbling"])
def test_a_failure_on_the_way_is_repeated_on_another_connection(server: Server, trouble: str) -> None:
    batch = tiles(1, 3, 6, 6)
    with RemoteBackend(server.url, MODEL, timeout=0.5) as backend:
        server.behaviours = [trouble, trouble]
        np.testing.assert_allclose(backend(batch), nearest(batch), atol=1e-6)
    assert len(server.requests) == 4
    assert len(set(server.ports[1:])) == 3


@pytest.mark.parametrize("trouble", ["bad_gateway", "dropped", "silent", "hanging"])
def test_a_server_that_does_not_come_back_is_unavailable(server: Server, trouble: str) -> None:
    with RemoteBackend(server.url, MODEL, timeout=0.3, retries=1) as backend:
        server.behaviours = [trouble] * 5
        with pytest.raises(BackendUnavailable, match=server.url):
            backend(tiles(1, 3, 6, 6))
    assert len(server.requests) == 3


def test_a_server_that_stays_full_is_overloaded_and_says_for_how_long(server: Server) -> None:
    with RemoteBackend(server.url, MODEL, retries=1) as backend:
        server.behaviours = ["full"] * 5
        with pytest.raises(Overloaded, match="16 requests wait already") as caught:
            backend(tiles(1, 3, 6, 6))
    assert caught.value.retry_after == 0


def test_retry_after_is_honoured_and_capped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loupe.inference_client.MAX_WAIT", 0.5)
    with RemoteBackend(server.url, MODEL) as backend:
        server.behaviours = ["full_for_an_hour"]
        begun = time.monotonic()
        backend(tiles(1, 3, 6, 6))
    assert 0.5 <= time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        ("refuse_400", NotAPicture, "got 4 bytes"),
        ("refuse_413", PictureTooLarge, "at most 4"),
        ("refuse_422", InvalidOption, "got XCF"),
        ("torchserve_unknown_model", ModelNotFound, "Model not found: x"),
        ("torchserve_unknown_route", BackendUnavailable, "does not answer as a Loupe inference server"),
        ("not_found_page", BackendUnavailable, "does not answer as a Loupe inference server"),
        ("crash", BackendUnavailable, "answered 500: division by zero"),
        ("html", BackendUnavailable, "text/html"),
        ("no_picture", BackendUnavailable, "damaged or of a wrong size"),
        ("no_base64", BackendUnavailable, "damaged or of a wrong size"),
        ("no_parameters", BackendUnavailable, "no v2 answer"),
        ("wrong_size", BackendUnavailable, "wrong size"),
        ("endless", BackendUnavailable, "more than .* bytes"),
        ("redirect", BackendUnavailable, "redirect to .*/secret, which is not followed"),
    ],
)
def test_an_answer_that_no_repetition_betters_is_not_repeated(
    server: Server, behaviour: str, error: type[Exception], message: str
) -> None:
    with RemoteBackend(server.url, MODEL) as backend:
        server.behaviours = [behaviour]
        with pytest.raises(error, match=message):
            backend(tiles(1, 3, 6, 6))
    assert len(server.requests) == 2


def test_a_server_that_is_down_is_told_with_its_address_and_the_next_step() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(BackendUnavailable, match=rf"{url}: .*refused.*make run"):
        RemoteBackend(url, MODEL, retries=1)


def test_a_server_that_dies_half_way_is_told_as_down() -> None:
    with serving() as server:
        backend = RemoteBackend(server.url, MODEL, retries=1)
        backend(tiles(1, 3, 6, 6))
    with backend, pytest.raises(BackendUnavailable, match="make run"):
        backend(tiles(1, 3, 6, 6))


def test_a_server_that_comes_back_in_time_is_found_again() -> None:
    batch = tiles(1, 3, 6, 6)
    with serving() as server:
        port = server.server_address[1]
        backend = RemoteBackend(server.url, MODEL, retries=6)
    with backend, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(backend, batch)
        time.sleep(0.3)
        with serving(port):
            np.testing.assert_allclose(pending.result(timeout=60), nearest(batch), atol=1e-6)


def test_closing_ends_the_wait_of_other_threads(server: Server) -> None:
    backend = RemoteBackend(server.url, MODEL)
    server.behaviours = ["full_for_an_hour"]
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(backend, tiles(1, 3, 6, 6))
        while len(server.requests) < 2:
            time.sleep(0.01)
        time.sleep(0.2)
        backend.close()
        with pytest.raises(Cancelled):
            pending.result(timeout=5)


def test_an_unknown_model_is_told_with_what_the_server_says(server: Server) -> None:
    with pytest.raises(ModelNotFound, match="there is nearest_x2"):
        RemoteBackend(server.url, "edsr_x9")
    assert len(server.requests) == 1


def test_something_else_behind_the_address_is_told(server: Server) -> None:
    server.behaviours = ["html"]
    with pytest.raises(BackendUnavailable, match="does not answer as a Loupe inference server"):
        RemoteBackend(server.url, MODEL)


def test_a_new_version_is_noticed(server: Server) -> None:
    with RemoteBackend(server.url, MODEL) as backend:
        server.version = "2"
        backend(tiles(1, 3, 6, 6))
        assert backend.version == "2"
        server.version, server.scale = "3", 4
        with pytest.raises(BackendUnavailable, match="wrong size"):
            backend(tiles(1, 3, 6, 6))
        backend.probe()
        assert (backend.version, backend.scale) == ("3", 4)


def test_the_environments_proxies_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with RemoteBackend(server.url, MODEL, retries=0) as backend:
        assert backend.scale == SCALE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host:8080", "http://host:8080/v2/models/edsr_x4/infer"),
        ("https://host/base/", "https://host/base/v2/models/edsr_x4/infer"),
        ("http://{model}.loupe.svc", "http://edsr-x4.loupe.svc/v2/models/edsr_x4/infer"),
        ("http://gate/{model}", "http://gate/edsr_x4/v2/models/edsr_x4/infer"),
    ],
)
def test_the_address_of_a_model(url: str, expected: str) -> None:
    assert str(endpoint(url, "edsr_x4")[0]) == expected


def test_a_password_in_the_address_is_sent_but_never_shown() -> None:
    address, shown = endpoint("http://ann:secret@host:1", MODEL)
    assert address.password == "secret"
    assert shown == "http://host:1"


@pytest.mark.parametrize("url", ["", "host:8080", "ftp://host", "file:///etc/passwd", "http://", "http://h/?q=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidOption, match="expected http://host:port"):
        RemoteBackend(url, MODEL)


@pytest.mark.parametrize("model", ["", "../admin", "a/b", "evil.com#", "a b", "x" * 200, "a\n"])
def test_a_name_that_no_model_can_have_is_refused(model: str) -> None:
    with pytest.raises(ModelNotFound, match="expected letters"):
        endpoint("http://{model}.loupe.svc", model)
