"""Drawing, over both real servers: the contract of a model that draws."""

import base64
import io
import json
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from loupe.artists import load_artist, open_artist
from loupe.backends import open_backend
from loupe.drawing import DrawOptions, Given, decode_entropy
from loupe.errors import Cancelled, InvalidOption
from loupe.images import Picture, decode, encode
from loupe.remote_artist import RemoteArtist
from loupe.settings import Settings
from tests.serving.conftest import DRAWS
from tests.serving.servers import Server, b64, error_of, until, v2_body

Pixels = np.ndarray


def sketch(width: int = 3, height: int = 2, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(pixels: Pixels, alpha: Pixels | None = None) -> bytes:
    return encode(Picture(color=pixels, alpha=alpha), "PNG")


def outputs(response: httpx.Response) -> dict[str, list[Picture]]:
    assert response.status_code == 200, response.text
    return {
        tensor["name"]: [decode(base64.b64decode(one)) for one in tensor["data"]]
        for tensor in response.json()["outputs"]
    }


def lines(server: Server, body: dict[str, object], model: str = DRAWS) -> list[dict[str, object]]:
    response = httpx.post(f"{server.url}/v2/models/{model}/infer_stream", json=body, timeout=60)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


@pytest.fixture(scope="module")
def artist(models_dir):
    return load_artist(models_dir / f"{DRAWS}.safetensors", Settings(threads=1))


def test_v2_gives_what_the_model_draws_in_process(server: Server, artist) -> None:
    response = server.v2(DRAWS, png(sketch()), samples=3, seed=5, temperature=1.2, top_p=0.9)
    message, drawn = response.json(), outputs(response)
    expected = artist.draw(sketch(), DrawOptions(samples=3, seed=5, temperature=1.2, top_p=0.9))
    np.testing.assert_array_equal([one.color for one in drawn["image"]], expected.pictures)
    entropy = np.stack([decode_entropy(one) for one in drawn["entropy"]])
    np.testing.assert_allclose(entropy, expected.entropy, atol=0.051)
    assert entropy.std() > 0.5
    assert [tensor["shape"] for tensor in message["outputs"]] == [[1, 3], [1, 3]]
    assert message["parameters"] == {"version": "7", "kind": "sampler", "scale": 4, "halo": 0}


def test_each_picture_has_a_seed_of_its_own_and_can_be_drawn_again(server: Server) -> None:
    three = outputs(server.v2(DRAWS, png(sketch()), samples=3, seed=5))["image"]
    again = outputs(server.v2(DRAWS, png(sketch()), seed=7))["image"]
    np.testing.assert_array_equal(again[0].color, three[2].color)
    assert not np.array_equal(three[0].color, three[1].color)


def test_the_answer_says_that_it_is_invented_and_by_what(server: Server) -> None:
    response = server.v2(DRAWS, png(sketch()), samples=2, seed=5, temperature=0.9)
    data = base64.b64decode(response.json()["outputs"][0]["data"][1])
    with Image.open(io.BytesIO(data)) as image:
        said = image.getexif()[0x0131]
    assert said.endswith(f"{DRAWS} version 7 x4 seed 6 temperature 0.9: invented")


def test_several_sketches_and_a_bad_one_in_one_request(server: Server) -> None:
    response = server.v2(DRAWS, png(sketch(seed=1)), b"not a picture", png(sketch(seed=2)), samples=2)
    message = response.json()
    image, entropy = message["outputs"]
    assert image["shape"] == entropy["shape"] == [3, 2]
    assert [bool(one) for one in image["data"]] == [bool(one) for one in entropy["data"]] == [1, 1, 0, 0, 1, 1]
    assert list(json.loads(message["parameters"]["errors"])) == ["1"]


def test_v1_gives_the_same_as_v2(server: Server) -> None:
    instance = {"b64": b64(png(sketch())), "parameters": {"samples": 2, "seed": 1}}
    (prediction,) = server.v1(DRAWS, instance).json()["predictions"]
    image, entropy = server.v2(DRAWS, png(sketch()), samples=2, seed=1).json()["outputs"]
    assert prediction == {"images": image["data"], "entropy": entropy["data"]}


def test_what_is_given_is_kept(server: Server) -> None:
    upper = sketch(12, 5, seed=9)
    whole = sketch(12, 8, seed=8)
    mask = np.zeros((8, 12, 1), np.uint8)
    mask[2:6, 3:9] = 255
    by_rows = server.v2(DRAWS, png(sketch()), samples=2, given=b64(png(upper)))
    by_mask = server.v2(DRAWS, png(sketch()), given=b64(png(whole)), mask=b64(png(mask)))
    by_alpha = server.v2(DRAWS, png(sketch()), given=b64(png(whole, mask[..., 0])))
    for one in outputs(by_rows)["image"]:
        np.testing.assert_array_equal(one.color[:5], upper)
    for response in (by_mask, by_alpha):
        drawn = outputs(response)
        known = mask[..., 0] > 0
        np.testing.assert_array_equal(drawn["image"][0].color[known], whole[known])
        assert (decode_entropy(drawn["entropy"][0])[known] == 0).all()
        assert (decode_entropy(drawn["entropy"][0])[~known] > 0).all()
    assert outputs(by_mask)["image"][0].color.tolist() == outputs(by_alpha)["image"][0].color.tolist()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"samples": 9}, "samples: got 9, expected 1 to 8"),
        ({"samples": 0}, "samples: got 0, expected a whole number, 1 or more"),
        ({"temperature": 7}, "temperature: got 7, expected 0.1 to 2.0"),
        ({"temperature": "hot"}, "temperature: got 'hot', expected 0.1 to 2.0"),
        ({"top_p": 0}, "top_p: got 0, expected above 0 up to 1"),
        ({"seed": -1}, "seed: got -1, expected a whole number from 0"),
        ({"width": 20}, "unknown option 'width', expected samples"),
        ({"mask": "aGk="}, "mask: got one without a picture"),
        ({"given": "%"}, "given: got what is not base64"),
        (
            {"given": b64(png(sketch(5, 5)))},
            "given: got 5x5 pixels, all of them known, expected the upper part of 12x8",
        ),
        ({"given": b64(png(sketch(12, 8))), "mask": b64(png(sketch(3, 3)))}, "mask: got 3x3 pixels, expected 12x8"),
    ],
)
def test_a_bad_option_is_422(server: Server, options: dict[str, object], said: str) -> None:
    response = server.v2(DRAWS, png(sketch()), **options)
    assert response.status_code == 422
    assert said in error_of(response)


def test_too_many_cells_are_422(server: Server) -> None:
    response = server.v2(DRAWS, png(sketch(17, 4)))
    assert response.status_code == 422
    assert "sketch: got 17x4 cells, expected at most 16x16" in error_of(response)


def test_one_is_not_taken_for_the_other(server: Server) -> None:
    with pytest.raises(InvalidOption, match=rf"got {DRAWS}, which draws from a sketch .*, expected one that enlarges"):
        open_backend(server.url, DRAWS, Settings())
    with pytest.raises(InvalidOption, match=r"got tiny_x4, which enlarges pictures .*, expected one that draws"):
        open_artist(server.url, "tiny_x4", Settings())
    response = server.v2("tiny_x4", png(sketch()), samples=3)
    assert response.status_code == 422
    assert "unknown option 'samples', expected format" in error_of(response)


def test_rows_are_streamed_where_they_can_be_and_the_answer_is_the_same(server: Server, artist) -> None:
    options = {"samples": 2, "seed": 3}
    expected = artist.draw(sketch(), DrawOptions(**options)).pictures
    events = [event for event in lines(server, v2_body(png(sketch()), **options)) if event["type"] != "waiting"]
    *rows, answer = events
    whole = server.v2(DRAWS, png(sketch()), **options).json()
    assert {key: answer[key] for key in ("outputs", "parameters")} == {
        key: whole[key] for key in ("outputs", "parameters")
    }
    assert answer["type"] == "answer"
    assert [row["y"] for row in rows] == (list(range(8)) if server.kind == "embedded" else [])
    for row in rows:
        pixels = decode(base64.b64decode(str(row["image"]))).color
        np.testing.assert_array_equal(pixels, expected[:, row["y"]])


def test_a_stream_that_cannot_be_is_an_ordinary_error(server: Server) -> None:
    def post(body: dict[str, object], model: str = DRAWS) -> httpx.Response:
        return httpx.post(f"{server.url}/v2/models/{model}/infer_stream", json=body, timeout=60)

    for response, status, said in (
        (post(v2_body(png(sketch()), samples=9)), 422, "samples: got 9"),
        (post(v2_body(b"words")), 400, ""),
        (post(v2_body(png(sketch()), png(sketch()))), 400, "got 2 pictures, expected one"),
        (post(v2_body(png(sketch())), "tiny_x4"), 422, "got tiny_x4, which enlarges"),
        (post(v2_body(png(sketch())), "nobody"), 404, "no model 'nobody'"),
        (post({"inputs": []}), 400, "inputs: got an empty list"),
    ):
        assert response.status_code == status, response.text
        assert said in error_of(response)


def test_the_remote_artist_draws_as_the_local_one(server: Server, artist) -> None:
    given = Given(sketch(12, 8, seed=4), np.random.default_rng(1).random((8, 12)) < 0.3)
    options, seen = DrawOptions(samples=3, seed=2), []
    expected = artist.draw(sketch(), options, given)
    with RemoteArtist(server.url, DRAWS) as remote:
        assert (remote.scale, remote.version) == (4, "7")
        drawing = remote.draw(sketch(), options, given, on_row=lambda y, row: seen.append((y, row)))
    np.testing.assert_array_equal(drawing.pictures, expected.pictures)
    np.testing.assert_allclose(drawing.entropy, expected.entropy, atol=0.051)
    if server.kind == "embedded":
        np.testing.assert_array_equal(np.stack([row for _, row in seen], axis=1), expected.pictures)


def test_metrics_count_a_drawing(server: Server) -> None:
    def read() -> tuple[float, float]:
        return (
            server.metric("loupe_requests_total", model=DRAWS, status="200"),
            server.metric("loupe_megapixels_total", model=DRAWS, direction="out"),
        )

    before = read()
    assert server.v2(DRAWS, png(sketch()), samples=2).status_code == 200
    until(lambda: np.allclose(np.subtract(read(), before), (1, 12 * 8 * 2 / 1e6)))


def test_a_client_that_goes_away_stops_the_drawing(embedded: Server) -> None:
    """TorchServe does not say that a client has gone: there a drawing goes on to its end."""
    given_up = embedded.metric("loupe_requests_total", model=DRAWS, status="499")
    body = v2_body(png(sketch(16, 16)), samples=8)
    url = f"{embedded.url}/v2/models/{DRAWS}/infer_stream"
    with httpx.stream("POST", url, json=body, timeout=60) as response:
        assert json.loads(next(response.iter_lines()))["type"] in ("row", "waiting")
    until(lambda: embedded.metric("loupe_requests_total", model=DRAWS, status="499") == given_up + 1)
    done = embedded.metric("loupe_megapixels_total", model=DRAWS, direction="out")
    until(lambda: embedded.metric("loupe_requests_in_flight", model=DRAWS) == 0)
    time.sleep(0.5)
    assert embedded.metric("loupe_megapixels_total", model=DRAWS, direction="out") == done


def test_whoever_draws_remotely_can_stop(embedded: Server) -> None:
    rows = []
    with RemoteArtist(embedded.url, DRAWS) as remote, pytest.raises(Cancelled):
        remote.draw(
            sketch(16, 16), DrawOptions(samples=8), on_row=lambda y, _: rows.append(y), cancelled=lambda: len(rows) > 2
        )
    assert rows == [0, 1, 2]
    until(lambda: embedded.metric("loupe_requests_in_flight", model=DRAWS) == 0)
