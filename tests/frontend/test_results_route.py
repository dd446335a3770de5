"""GET /api/results/{key} of a real result, and the names that it is saved under."""

import time
from collections.abc import Callable

import httpx
import pytest

from frontend.routes.results import file_name
from tests.frontend.conftest import QUICK, picture_bytes
from tests.frontend.house import House
from tests.frontend.test_upscale import events, send


@pytest.fixture
def result(api: httpx.Client) -> str:
    return str(events(send(api, picture_bytes(30, 20, seed=20), model=QUICK))[-1]["url"])


def test_it_lasts_and_is_known_by_its_key(api: httpx.Client, result: str) -> None:
    answer = api.get(result)

    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert "content-disposition" not in answer.headers
    again = api.get(result, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = api.head(result)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))


def test_it_can_be_saved_under_any_name(api: httpx.Client, result: str) -> None:
    answer = api.get(result, params={"download": 'кот\r\nSet-Cookie: a=b"; x_x4.png'})

    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.isascii()
    assert "set-cookie" not in answer.headers
    assert disposition.endswith("%D0%BA%D0%BE%D1%82Set-Cookie%20a%3Db%3B%20x_x4.png")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("cat_x4.png", "cat_x4.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\windows\\cat.PNG", "cat.png"),
        ("cat.exe", "cat.exe.png"),
        ("", "loupe.png"),
        ("..", "loupe.png"),
        ("a\u202egnp.exe", "agnp.exe.png"),
        ("x" * 500, "x" * 120 + ".png"),
    ],
)
def test_names_are_safe(wanted: str, name: str) -> None:
    assert file_name(wanted, ".png") == name


@pytest.mark.parametrize(
    "key", ["0" * 64, "0" * 63, "A" * 64, "..%2f..%2fetc%2fpasswd", "%00", "results", "0" * 64 + ".json"]
)
def test_other_keys_lead_nowhere(api: httpx.Client, key: str) -> None:
    answer = api.get(f"/api/results/{key}")

    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_it_is_gone_after_its_time(another_house: Callable[..., House]) -> None:
    house = another_house(results_ttl=1.5, sweep_every=3600)
    with httpx.Client(base_url=house.url, trust_env=False) as client:
        url = events(send(client, picture_bytes(20, 20, seed=21), model=QUICK))[-1]["url"]
        assert client.get(url).status_code == 200
        time.sleep(1.6)
        assert client.get(url).status_code == 404
