"""The contract, over both real servers."""

import base64
import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from loupe.backends import open_backend
from loupe.images import decode
from loupe.remote import RemoteBackend
from loupe.settings import Settings
from loupe.upscale import Upscaler
from tests.serving.servers import MAX_BYTES, WAITING, Server, b64, error_of, make_png, pixels_of, until, v2_body

PNG = make_png(40, 30)


def huge_header() -> bytes:
    """A PNG of a few bytes that says it is 50,000 x 50,000."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b""), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def test_v2_gives_what_the_model_gives_in_process(server: Server, models_dir: Path) -> None:
    picture = make_png(150, 90)  # several of the server's tiles
    response = server.v2("tiny_x4", picture)
    backend = open_backend("torch", "tiny_x4", Settings(models_dir=models_dir))
    expected = Upscaler(backend, tile=64).upscale(decode(picture)).color.astype(np.int16)
    assert np.abs(pixels_of(response) - expected).max() <= 1
    message = response.json()
    assert (message["model_name"], message["model_version"]) == ("tiny_x4", "7")
    assert message["parameters"] == {
        "version": "7",
        "kind": "enlarger",
        "scale": 4,
        "halo": backend.halo,
    }


def test_v1_gives_the_same_as_v2(server: Server) -> None:
    response = server.v1("tiny_x4", {"b64": b64(PNG)})
    assert response.status_code == 200
    assert response.json()["predictions"] == [{"b64": server.v2("tiny_x4", PNG).json()["outputs"][0]["data"][0]}]


def test_the_answer_says_who_made_it(server: Server) -> None:
    data = base64.b64decode(server.v2("tiny_x4", PNG).json()["outputs"][0]["data"][0])
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[0x0131].endswith(" tiny_x4 version 7 x4")


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_every_format_is_given_in_the_size_asked_for(server: Server, name: str) -> None:
    response = server.v2("tiny_x4", PNG, format=name, quality=80, width=100)
    data = base64.b64decode(response.json()["outputs"][0]["data"][0])
    picture = decode(data)
    assert (picture.format, picture.width, picture.height) == (name, 100, 75)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quality": 500}, "quality: got 500, expected"),
        ({"format": "EXE"}, "format: got 'EXE', expected one of PNG"),
        ({"widht": 3}, "unknown option 'widht'"),
        ({"width": 1000}, "width: got 1000, expected 1 to 160"),
    ],
)
def test_a_bad_option_is_422(server: Server, options: dict[str, object], said: str) -> None:
    response = server.v2("tiny_x4", PNG, **options)
    assert response.status_code == 422
    assert said in error_of(response)


def test_v2_batch_with_one_bad_item_fails_that_item_only(server: Server) -> None:
    response = server.v2("tiny_x4", PNG, b"not a picture", PNG)
    assert response.status_code == 200
    message = response.json()
    assert message["outputs"][0]["shape"] == [3]
    first, bad, last = message["outputs"][0]["data"]
    assert first == last != ""
    assert bad == ""
    assert list(httpx.Response(200, text=message["parameters"]["errors"]).json()) == ["1"]


def test_v1_batch_with_bad_items_fails_those_only(server: Server) -> None:
    response = server.v1(
        "tiny_x4",
        {"b64": b64(PNG), "parameters": {"format": "JPEG"}},
        {"b64": "%%%"},
        {"b64": b64(b"not a picture")},
        {"b64": b64(PNG), "parameters": {"quality": 0}},
        {"b64": b64(PNG)},
    )
    predictions = response.json()["predictions"]
    assert [prediction.get("status") for prediction in predictions] == [None, 400, 400, 422, None]
    assert decode(base64.b64decode(predictions[0]["b64"])).format == "JPEG"
    assert "got 0, expected" in predictions[3]["error"]


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", PNG[:100], b'<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ids=["empty", "text", "cut", "svg"],
)
def test_what_is_no_picture_is_400(server: Server, data: bytes) -> None:
    for response in (server.v2("tiny_x4", data), server.v1("tiny_x4", {"b64": b64(data)})):
        assert response.status_code == 400
        assert error_of(response)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"inputs": []}', b'{"inputs": [{"name": "image", "datatype": "UINT8"}]}']
)
def test_a_malformed_request_is_400(server: Server, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{server.url}/v2/models/tiny_x4/infer", content=body, headers=headers)
    assert response.status_code == 400
    assert error_of(response)


def test_empty_instances_are_400(server: Server) -> None:
    response = server.v1("tiny_x4")
    assert response.status_code == 400
    assert "instances: got an empty list" in error_of(response)


def test_a_model_that_is_not_there_is_404(server: Server) -> None:
    for response in (server.v2("nobody_x4", PNG), server.v1("nobody_x4", {"b64": b64(PNG)})):
        assert response.status_code == 404
        assert "nobody_x4" in error_of(response)


def test_a_picture_beyond_the_limits_is_413(server: Server) -> None:
    response = server.v2("tiny_x4", huge_header())
    assert response.status_code == 413
    assert "50000x50000" in error_of(response)
    response = server.v2("tiny_x4", PNG + bytes(MAX_BYTES))
    assert response.status_code == 413
    assert "bytes" in error_of(response)


def test_more_pictures_than_allowed_are_413(server: Server) -> None:
    response = server.v2("tiny_x4", *[PNG] * 9)
    assert response.status_code == 413
    assert "got 9 pictures" in error_of(response)


def test_a_request_beyond_the_limit_is_413(server: Server) -> None:
    response = server.v2("tiny_x4", bytes(3 * MAX_BYTES))
    assert response.status_code == 413


def test_many_at_once_get_their_own_answers(server: Server) -> None:
    sizes = [(10 + i, 12) for i in range(6)]

    def enlarge(size: tuple[int, int]) -> tuple[int, int, int]:
        return pixels_of(server.v2("tiny_x4", make_png(*size))).shape  # type: ignore[return-value]

    with ThreadPoolExecutor(6) as pool:
        good = pool.map(enlarge, sizes)
        bad = pool.submit(server.v2, "tiny_x4", b"bad")
        assert list(good) == [(48, width * 4, 3) for width, _ in sizes]
        assert bad.result().status_code == 400


def test_a_full_server_refuses_and_recovers(server: Server) -> None:
    picture = make_png(128, 128)
    with ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(lambda _: server.v2("slow_x2", picture), range(30)))
    statuses = {response.status_code for response in responses}
    assert statuses == {200, 503}
    for response in responses:
        if response.status_code == 503:
            assert error_of(response)
            assert 1 <= int(response.headers["retry-after"]) <= 60
    assert sum(response.status_code == 200 for response in responses) >= WAITING
    assert server.v2("slow_x2", picture).status_code == 200


def test_a_client_that_goes_away_stops_the_work(server: Server) -> None:
    given_up = server.metric("loupe_requests_total", model="slow_x2", status="499")
    with pytest.raises(httpx.ReadTimeout):  # a hundred tiles or more: far more than this client waits for
        httpx.post(
            f"{server.url}/v2/models/slow_x2/infer",
            json=v2_body(make_png(640, 640)),
            timeout=httpx.Timeout(10, read=1.0),
        )
    until(lambda: server.metric("loupe_requests_total", model="slow_x2", status="499") == given_up + 1)
    until(lambda: server.metric("loupe_requests_in_flight", model="slow_x2") == 0)
    time.sleep(0.3)  # the tile that was at work
    done = server.metric("loupe_tiles_total", model="slow_x2")
    time.sleep(1.0)
    tiles = 100 if server.kind == "embedded" else 196  # of 64 pixels, or of 48 on their way to TorchServe
    assert server.metric("loupe_tiles_total", model="slow_x2") == done < tiles


def test_metrics_by_model(server: Server) -> None:
    def read() -> list[float]:
        return [
            server.metric("loupe_requests_total", model="tiny_x4", status="200"),
            server.metric("loupe_requests_total", model="tiny_x4", status="400"),
            server.metric("loupe_request_seconds_count", model="tiny_x4"),
            server.metric("loupe_tiles_total", model="tiny_x4"),
            server.metric("loupe_megapixels_total", model="tiny_x4", direction="in"),
            server.metric("loupe_megapixels_total", model="tiny_x4", direction="out"),
        ]

    before = read()
    server.v2("tiny_x4", make_png(100, 50))
    server.v2("tiny_x4", b"bad")
    tiles = 2 if server.kind == "embedded" else 6  # of 64 pixels, or of 48 on their way to TorchServe
    expected = [1, 1, 2, tiles, 0.005, 0.08]
    until(lambda: np.allclose(np.subtract(read(), before), expected, atol=1e-6))


def test_the_remote_backend_works_over_it(server: Server, models_dir: Path) -> None:
    local = open_backend("torch", "tiny_x4", Settings(models_dir=models_dir))
    picture = decode(make_png(90, 70))
    with RemoteBackend(server.url, "tiny_x4") as remote:
        assert (remote.scale, remote.halo, remote.version) == (4, local.halo, "7")
        larger = Upscaler(remote, tile=48, workers=2).upscale(picture)
    expected = Upscaler(local, tile=48).upscale(picture)
    assert np.abs(larger.color.astype(np.int16) - expected.color).max() <= 1


def test_unknown_paths_are_404(server: Server) -> None:
    response = httpx.post(f"{server.url}/nowhere", json=v2_body(PNG))
    assert response.status_code in (404, 405)
    assert error_of(response)
