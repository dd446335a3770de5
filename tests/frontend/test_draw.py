"""POST /api/draw over both real servers."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import ExifTags, Image

from loupe.artists import load_artist
from loupe.drawing import DrawOptions, decode_entropy
from loupe.images import Picture, decode, encode
from loupe.settings import Settings
from tests.frontend.conftest import DRAWS, QUICK, Counter, picture_bytes
from tests.frontend.house import House, run_inference

Event = dict[str, Any]


def sketch(seed: int, width: int = 3, height: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    return encode(Picture(color=pixels), "PNG")


def send(client: httpx.Client, pixels: np.ndarray, files: dict[str, bytes] | None = None, **fields: object):
    form = {name: str(value) for name, value in fields.items()}
    return client.post("/api/draw", files={"file": png(pixels), **(files or {})}, data=form)


def events(response: httpx.Response) -> list[Event]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_rows_come_as_they_are_drawn_and_the_pictures_are_the_models_own(api: httpx.Client, models: Path) -> None:
    options = DrawOptions(samples=3, seed=4, temperature=1.1)
    artist = load_artist(models / f"{DRAWS}.safetensors", Settings(threads=1))
    expected = artist.draw(sketch(1), options)

    *rows, result = events(send(api, sketch(1), **options.model_dump()))

    assert [row["y"] for row in rows if row["type"] == "row"] == list(range(8))
    for row in rows:
        assert (row["width"], row["height"]) == (12, 8)
        np.testing.assert_array_equal(decode(base64.b64decode(row["image"])).color, expected.pictures[:, row["y"]])
    about = {name: result[name] for name in ("type", "cached", "model", "version", "scale", "width", "height")}
    assert about == {
        "type": "result",
        "cached": False,
        "model": DRAWS,
        "version": "1",
        "scale": 4,
        "width": 12,
        "height": 8,
    }
    assert [one["seed"] for one in result["pictures"]] == [4, 5, 6]
    for index, one in enumerate(result["pictures"]):
        data = api.get(one["url"]).content
        np.testing.assert_array_equal(decode(data).color, expected.pictures[index])
        entropy = decode_entropy(decode(api.get(one["entropy_url"]).content))
        np.testing.assert_allclose(entropy, expected.entropy[index], atol=0.11)
        software = Image.open(io.BytesIO(data)).getexif()[ExifTags.Base.Software]
        assert software.endswith(f"{DRAWS} version 1 x4 seed {4 + index} temperature 1.1: invented")


def test_a_seed_drawn_before_is_answered_from_storage(api: httpx.Client, tiles_served: Counter) -> None:
    first = events(send(api, sketch(2), samples=3, seed=1))[-1]
    before = tiles_served(DRAWS)

    (second,) = events(send(api, sketch(2), samples=1, seed=2))

    assert (second["cached"], second["pictures"]) == (True, first["pictures"][1:2])
    assert tiles_served(DRAWS) - before == 1  # the probe, which tells the version


@pytest.mark.parametrize("other", [{"seed": 9}, {"temperature": 0.9}, {"top_p": 0.5}])
def test_other_options_are_another_picture(api: httpx.Client, other: dict[str, object]) -> None:
    plain = events(send(api, sketch(3)))[-1]["pictures"][0]
    changed = events(send(api, sketch(3), **other))[-1]["pictures"][0]
    assert not {changed["url"], changed["entropy_url"]} & {plain["url"], plain["entropy_url"]}


def test_what_is_given_is_kept_and_is_another_picture(api: httpx.Client) -> None:
    upper, mask = sketch(5, 12, 4), np.zeros((8, 12, 1), np.uint8)
    mask[:, :6] = 255
    whole = sketch(6, 12, 8)
    plain = events(send(api, sketch(4)))[-1]
    by_rows = events(send(api, sketch(4), {"given": png(upper)}))[-1]
    by_mask = events(send(api, sketch(4), {"given": png(whole), "mask": png(mask)}))[-1]

    urls = [result["pictures"][0]["url"] for result in (plain, by_rows, by_mask)]
    assert len(set(urls)) == 3
    np.testing.assert_array_equal(decode(api.get(urls[1]).content).color[:4], upper)
    np.testing.assert_array_equal(decode(api.get(urls[2]).content).color[:, :6], whole[:, :6])


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"samples": 9}, 422, "samples: got 9, expected 1 to 8"),
        ({"temperature": 7}, 422, "temperature: got '7', expected 0.1 to 2.0"),
        ({"seed": "x"}, 422, "seed: got 'x', expected a whole number"),
        ({"width": 3}, 422, "unknown option 'width'"),
        ({"model": "nobody"}, 404, DRAWS),
        ({"model": QUICK}, 422, f"got {QUICK}, which enlarges pictures"),
    ],
)
def test_bad_options_say_what_was_got(api: httpx.Client, fields: dict[str, object], status: int, said: str) -> None:
    answer = send(api, sketch(7), **fields)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert said in answer.json()["error"]


def test_bad_pictures_are_refused_in_words(api: httpx.Client) -> None:
    big = send(api, sketch(8, 40, 30))
    assert (big.status_code, "got 40x30 cells, expected at most 16x16" in big.json()["error"]) == (422, True)
    text = api.post("/api/draw", files={"file": b"not a picture"})
    assert text.status_code == 400
    lonely = send(api, sketch(8), {"mask": png(sketch(9))})
    assert (lonely.status_code, "mask: got one without a picture" in lonely.json()["error"]) == (422, True)


def test_what_draws_is_not_offered_for_enlarging(api: httpx.Client) -> None:
    told = api.get("/api/models").json()
    kinds = {model["name"]: model["kind"] for model in told["models"]}
    assert kinds[DRAWS] == "sampler"
    assert kinds[QUICK] == "enlarger"
    assert {model["name"] for model in told["models"] if model["default"]} == {QUICK, DRAWS}
    assert told["drawing"] == {"max_cells": 16, "max_samples": 8, "temperatures": [0.1, 2.0]}
    answer = api.post("/api/upscale", files={"file": picture_bytes(20, 20, seed=90)}, data={"model": DRAWS})
    assert (answer.status_code, f"got {DRAWS}, which draws" in answer.json()["error"]) == (422, True)


def test_dropping_the_connection_stops_the_drawing(api: httpx.Client, inference: House) -> None:
    form = {"files": {"file": png(sketch(10, 16, 16))}, "data": {"samples": "8"}}
    with api.stream("POST", "/api/draw", **form) as answer:
        for line in answer.iter_lines():
            if json.loads(line).get("y", 0) >= 2:
                break
    for _ in range(100):
        here = api.get("/metrics").text
        there = httpx.get(f"{inference.url}/metrics", trust_env=False).text
        if "loupe_web_jobs_running 0.0" in here and f'loupe_requests_in_flight{{model="{DRAWS}"}} 0.0' in there:
            break
    else:
        raise AssertionError("still drawing")
    again = events(send(api, sketch(10, 16, 16), samples=1))  # so nothing was kept of the one that was stopped
    assert again[-1]["cached"] is False


def test_an_inference_server_that_dies_half_way_is_a_last_line(
    another_house: Callable[..., House], models: Path, tmp_path: Path
) -> None:
    with run_inference(models, tmp_path / "inference") as dying:
        house = another_house(dying.url)
        form = {"files": {"file": png(sketch(11, 16, 16))}, "data": {"samples": "8"}}
        with (
            httpx.Client(base_url=house.url, timeout=60, trust_env=False) as client,
            client.stream("POST", "/api/draw", **form) as answer,
        ):
            last: Event = {}
            for line in answer.iter_lines():
                last = json.loads(line)
                if last.get("y") == 1:
                    dying.process.kill()
    assert (answer.status_code, last["type"], last["status"]) == (200, "error", 502)
    assert not [path for path in (tmp_path / "own").rglob("*") if path.is_file()]


def test_without_a_model_that_draws_it_says_so(inference: House, another_house: Callable[..., House]) -> None:
    house = another_house(offer_models=QUICK)
    with httpx.Client(base_url=house.url, timeout=30, trust_env=False) as client:
        answer = send(client, sketch(12))
    assert (answer.status_code, "no model that draws" in answer.json()["error"]) == (404, True)
