"""POST /api/upscale over both real servers."""

import io
import json
import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import ExifTags, Image

from loupe.backends import open_backend
from loupe.images import decode
from loupe.settings import Settings
from loupe.upscale import Upscaler
from tests.frontend.conftest import QUICK, SLOW, Counter, picture_bytes
from tests.frontend.house import House, free_port, run_inference

Event = dict[str, Any]


def send(client: httpx.Client, data: bytes, **fields: object) -> httpx.Response:
    """The form of a picture, answered whole."""
    form = {name: str(value) for name, value in fields.items()}
    return client.post("/api/upscale", files={"file": ("photo.png", data)}, data=form)


def events(response: httpx.Response) -> list[Event]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_progress_counts_every_tile_and_the_result_is_the_models_own(
    api: httpx.Client, models: Path, tiles_served: Counter
) -> None:
    data = picture_bytes(100, 60, seed=1)
    before = tiles_served(QUICK)

    *progress, result = events(send(api, data, model=QUICK))

    total = 4 * 2  # tiles of 32 over 100 x 60
    assert [one["done"] for one in progress if one["type"] == "progress"] == sorted({one["done"] for one in progress})
    assert progress[0] == {"type": "progress", "done": 0, "total": total}
    assert progress[-1] == {"type": "progress", "done": total, "total": total}
    assert tiles_served(QUICK) - before == total + 1  # and one probe
    about = {name: result[name] for name in ("type", "width", "height", "model", "version", "scale", "cached")}
    assert about == {
        "type": "result",
        "width": 400,
        "height": 240,
        "model": QUICK,
        "version": "1",
        "scale": 4,
        "cached": False,
    }
    got = decode(api.get(result["url"]).content)
    backend = open_backend("torch", QUICK, Settings(models_dir=models))
    expected = Upscaler(backend).upscale(decode(data))
    assert np.abs(got.color.astype(int) - expected.color.astype(int)).max() <= 2


def test_the_same_request_is_answered_from_storage(api: httpx.Client, tiles_served: Counter) -> None:
    data = picture_bytes(64, 64, seed=2)
    first = events(send(api, data, model=QUICK))[-1]
    before = tiles_served(QUICK)

    (second,) = events(send(api, data, model=QUICK))

    assert second == {**first, "cached": True}
    assert tiles_served(QUICK) - before == 1  # the probe, which tells the version


@pytest.mark.parametrize(
    "other", [{"format": "JPEG"}, {"width": 100}, {"keep_metadata": "false"}, {"model": "edsr_fast_x2"}]
)
def test_other_options_are_another_result(api: httpx.Client, other: dict[str, object]) -> None:
    data = picture_bytes(40, 40, seed=3)
    plain = events(send(api, data, model=QUICK))[-1]

    changed = events(send(api, data, **{"model": QUICK, **other}))[-1]

    assert changed["url"] != plain["url"]


def test_options_are_obeyed(api: httpx.Client) -> None:
    *_, result = events(send(api, picture_bytes(60, 40, seed=4), model=QUICK, format="jpg", quality=50, width=150))

    answer = api.get(result["url"])
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, picture.size) == ("JPEG", (150, 100))
    assert picture.getexif()[ExifTags.Base.Software].endswith(f"{QUICK} version 1 x4")
    assert answer.headers["content-type"] == result["media_type"] == "image/jpeg"


def test_what_a_format_takes_away_is_said(api: httpx.Client) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (20, 20), (200, 30, 30, 100)).save(file, "PNG")

    *_, result = events(send(api, file.getvalue(), model=QUICK, format="JPEG"))

    assert result["notes"] == ["transparency laid on white"]


def test_without_a_model_the_default_works(api: httpx.Client) -> None:
    assert events(send(api, picture_bytes(20, 20, seed=5)))[-1]["model"] == QUICK


BAD_PICTURES = {
    "empty": b"",
    "text": b"not a picture at all",
    "truncated": picture_bytes(64, 64, seed=6)[:200],
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_what_is_no_picture_is_refused_in_words(api: httpx.Client, name: str) -> None:
    answer = send(api, BAD_PICTURES[name], model=QUICK)

    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 10


def test_a_picture_with_too_many_pixels_is_refused_by_its_header(api: httpx.Client) -> None:
    file = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(file, "PNG")

    answer = send(api, file.getvalue(), model=QUICK)

    assert answer.status_code == 413
    assert "30000x30000" in answer.json()["error"]


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"model": "edsr_x9"}, 404, QUICK),
        ({"model": "../../etc/passwd"}, 404, "passwd"),
        ({"model": QUICK, "quality": 101}, 422, "quality"),
        ({"model": QUICK, "quality": "good"}, 422, "good"),
        ({"model": QUICK, "width": 0}, 422, "width"),
        ({"model": QUICK, "width": 1000}, 422, "80"),
        ({"model": QUICK, "format": "HEIC"}, 422, "HEIC"),
        ({"model": QUICK, "colour": "blue"}, 422, "colour"),
    ],
)
def test_bad_options_say_what_was_got(api: httpx.Client, fields: dict[str, object], status: int, said: str) -> None:
    answer = send(api, picture_bytes(20, 20, seed=7), **fields)

    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert said in answer.json()["error"]


def test_a_form_without_a_picture_is_refused(api: httpx.Client) -> None:
    assert api.post("/api/upscale", files={"other": b"x"}).status_code == 422
    assert api.post("/api/upscale", data={"file": "text"}).status_code == 422
    assert api.post("/api/upscale", json={"file": "text"}).status_code == 422
    broken = api.post("/api/upscale", content=b"--x", headers={"content-type": "multipart/form-data"})
    assert (broken.status_code, list(broken.json())) == (400, ["error"])


def test_too_many_bytes_are_refused_without_being_read(another_house: Callable[..., House]) -> None:
    house = another_house(limits__max_bytes=100_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        while sent < 50_000_000:
            sent += 10_000
            yield b"x" * 10_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    with httpx.Client(base_url=house.url, trust_env=False) as client:
        streamed = client.post("/api/upscale", content=endless(), headers=headers)
        declared = send(client, b"x" * 300_000)
        within = send(client, b"x" * 99_000)

    assert streamed.status_code == declared.status_code == 413
    assert streamed.json() == declared.json()
    assert sent < 20_000_000  # what fitted into the sockets' buffers
    assert within.status_code == 400


def test_dropping_the_connection_stops_the_work(api: httpx.Client, tiles_served: Counter) -> None:
    data = picture_bytes(512, 512, seed=8)  # 256 tiles
    with api.stream("POST", "/api/upscale", files={"file": data}, data={"model": SLOW}) as answer:
        for line in answer.iter_lines():
            if json.loads(line).get("done", 0) >= 2:
                break

    time.sleep(1.5)  # the tiles under way come to their end
    stopped = tiles_served(SLOW)
    time.sleep(2)

    assert tiles_served(SLOW) == stopped
    assert stopped < 100
    assert "loupe_web_jobs_running 0.0" in api.get("/metrics").text


def test_beyond_the_queue_one_is_told_to_come_back(another_house: Callable[..., House]) -> None:
    house = another_house(jobs=1, jobs_waiting=1)
    form = {"files": {"file": picture_bytes(512, 512, seed=9)}, "data": {"model": SLOW}}
    with (
        httpx.Client(base_url=house.url, timeout=30, trust_env=False) as client,
        client.stream("POST", "/api/upscale", **form) as running,
    ):
        begun = running.iter_lines()  # a generator that is forgotten closes its response
        assert json.loads(next(begun))["type"] == "progress"
        with client.stream("POST", "/api/upscale", **form) as waiting:
            lines = waiting.iter_lines()
            assert json.loads(next(lines)) == {"type": "waiting", "ahead": 0}
            refused = send(client, picture_bytes(20, 20, seed=10), model=QUICK)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            running.close()
            kinds = (json.loads(line)["type"] for line in lines)
            assert next(kind for kind in kinds if kind != "waiting") == "progress"


def test_no_inference_server_is_a_clear_error(another_house: Callable[..., House]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    house = another_house(url)
    with httpx.Client(base_url=house.url, timeout=30, trust_env=False) as client:
        answer = send(client, picture_bytes(20, 20, seed=11), model=QUICK)
        ready = client.get("/readyz")

    assert answer.status_code == 502
    assert url in answer.json()["error"]
    assert (ready.status_code, list(ready.json())) == (503, ["error"])


def test_an_inference_server_that_dies_half_way_is_a_last_line_and_leaves_nothing(
    another_house: Callable[..., House], models: Path, tmp_path: Path
) -> None:
    with run_inference(models, tmp_path / "inference") as dying:
        house = another_house(dying.url)
        form = {"files": {"file": picture_bytes(512, 512, seed=12)}, "data": {"model": SLOW}}
        with (
            httpx.Client(base_url=house.url, timeout=60, trust_env=False) as client,
            client.stream("POST", "/api/upscale", **form) as answer,
        ):
            last: Event = {}
            for line in answer.iter_lines():
                last = json.loads(line)
                if last.get("done") == 1:
                    dying.process.kill()

    assert (answer.status_code, last["type"], last["status"]) == (200, "error", 502)
    assert dying.url in last["error"]
    assert not [path for path in (tmp_path / "own").rglob("*") if path.is_file()]


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(another_house: Callable[..., House], tmp_path: Path) -> None:
    house = another_house()
    resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))  # bytes of any file
    large = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(large, "BMP")
    with httpx.Client(base_url=house.url, timeout=30, trust_env=False) as client:
        uploading = send(client, large.getvalue(), model=QUICK)
        keeping = send(client, picture_bytes(400, 400, seed=14), model=QUICK)

    assert uploading.status_code == 500
    assert "free some space" in uploading.json()["error"]
    last = json.loads(keeping.text.splitlines()[-1])
    assert (last["type"], last["status"]) == ("error", 500)
    assert "Raise the limit" in last["error"]
    assert not [path for path in (tmp_path / "own").rglob("*") if path.is_file()]


def test_storage_that_refuses_is_a_clear_error(another_house: Callable[..., House], tmp_path: Path) -> None:
    (tmp_path / "own").write_text("a file where the folder of results should be")
    house = another_house()
    with httpx.Client(base_url=house.url, timeout=30, trust_env=False) as client:
        answer = send(client, picture_bytes(20, 20, seed=13), model=QUICK)

    last = json.loads(answer.text.splitlines()[-1])
    assert last.get("status", answer.status_code) == 500
    assert last["error"]


def test_the_page_counts_the_whole_picture_and_the_inference_server_none_of_its_tiles(
    api: httpx.Client, inference: House
) -> None:
    def counted(url: str) -> int:
        text = httpx.get(f"{url}/metrics", trust_env=False).text
        found = re.search(rf'loupe_picture_feature_count{{feature="entropy",model="{QUICK}"}} (\S+)', text)
        return int(float(found[1])) if found else 0

    page = str(api.base_url)
    here, there = counted(page), counted(inference.url)
    data = picture_bytes(100, 60, seed=77)
    for _ in range(2):  # the second is answered from storage: no model sees it
        assert events(send(api, data, model=QUICK))[-1]["type"] == "result"
    deadline = time.monotonic() + 20
    while counted(page) == here and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (counted(page), counted(inference.url)) == (here + 1, there)
