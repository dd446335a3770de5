import json

import pytest

from loupe.errors import InvalidOption, NotAPicture, Overloaded, PictureTooLarge
from serving import contract
from serving.contract import Card, Item, MalformedRequest, Options, Result

CARD = Card(name="edsr_x4", version="3", scale=4, halo=16)
RESULT = Result(data=b"\xff\x00picture", media_type="image/png")


def v2(**changes: object) -> dict[str, object]:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["aGk="], **changes}
    return {"inputs": [tensor]}


def test_v2_is_read_with_its_options() -> None:
    message = {**v2(shape=[2], data=["aGk=", "eW8="]), "id": "42", "parameters": {"format": "jpg", "quality": 90}}
    request = contract.parse_v2(message)
    assert request.id == "42"
    options = Options(format="JPEG", quality=90)
    assert request.items == (Item(data=b"hi", options=options), Item(data=b"yo", options=options))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "inputs: got nothing, expected a list"),
        ({"inputs": []}, "inputs: got an empty list"),
        ({"inputs": {"name": "image"}}, "inputs: got dict"),
        ({"inputs": [3]}, "inputs: got list"),
        (v2(name="picture"), "got 'picture', expected one input with the name 'image'"),
        (v2(datatype="UINT8"), "got datatype 'UINT8', expected 'BYTES'"),
        (v2(shape=[2]), r"got shape \[2\] for 1 pictures, expected \[1\]"),
        (v2(shape="1"), r"got shape '1', expected \[1\]"),
        (v2(data=[]), "data must be a list of one base64 text or more"),
        (v2(data="aGk="), "data must be a list"),
        ({**v2(), "id": 3}, "id: got 3, expected text"),
    ],
)
def test_v2_that_cannot_be_understood_says_why(message: dict[str, object], said: str) -> None:
    with pytest.raises(MalformedRequest, match=said):
        contract.parse_v2(message)


@pytest.mark.parametrize("text", ["aGk", "a\nGk=", "data:image/png;base64,aGk=", "é", 7, None])
def test_bad_base64_is_the_items_own_error(text: object) -> None:
    items = contract.parse_v2(v2(shape=[2], data=["aGk=", text])).items
    assert items[0] == Item(data=b"hi")
    assert isinstance(items[1], MalformedRequest)


def test_v1_is_read_and_options_are_each_instances_own() -> None:
    request = contract.parse_v1(
        {"instances": [{"b64": "aGk=", "parameters": {"width": 7}}, {"b64": "aGk=", "parameters": {"width": 0}}]}
    )
    assert request.items[0] == Item(data=b"hi", options=Options(width=7))
    assert isinstance(request.items[1], InvalidOption)


def test_v1_refuses_a_field_it_would_ignore() -> None:
    (item,) = contract.parse_v1({"instances": [{"b64": "aGk=", "format": "JPEG"}]}).items
    assert str(item) == "instance: unknown field 'format', expected b64, parameters"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quality": 0}, "quality: got 0, expected a whole number from 1 to 100"),
        ({"quality": 101}, "quality: got 101"),
        ({"quality": 90.5}, "quality: got 90.5"),
        ({"quality": True}, "quality: got True"),
        ({"width": -1}, "width: got -1, expected a whole number of pixels, 1 or more"),
        ({"format": "BMP"}, "format: got 'BMP', expected one of PNG, JPEG, WEBP, TIFF, AVIF"),
        ({"format": 3}, "format: got 3"),
        ({"scale": 4}, "unknown option 'scale', expected format, quality, width, height"),
        ([], "parameters: got list, expected an object"),
    ],
)
def test_options_say_what_was_got_and_what_is_expected(options: object, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        contract.parse_options(options)


def test_too_many_pictures_are_too_large() -> None:
    with pytest.raises(PictureTooLarge, match="got 3 pictures in one request, expected at most 2"):
        contract.parse_v2(v2(shape=[3], data=["aGk="] * 3), max_items=2)


@pytest.mark.parametrize(("body", "said"), [(b"{", "not JSON"), (b"\xff", "not JSON"), (b"[1]", "a JSON list")])
def test_a_body_that_is_no_object(body: bytes, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said):
        contract.load_json(body)


def test_v2_answer_of_a_batch_with_one_bad_item() -> None:
    request = contract.parse_v2({**v2(shape=[2], data=["aGk=", "eW8="]), "id": "42"})
    answer = contract.build_answer(request, [RESULT, NotAPicture("no")], CARD)
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "id": "42",
        "model_name": "edsr_x4",
        "model_version": "3",
        "outputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": ["/wBwaWN0dXJl", ""]}],
        "parameters": {"version": "3", "kind": "enlarger", "scale": 4, "halo": 16, "errors": '{"1": "no"}'},
    }


def test_v1_answer_of_a_batch_with_one_bad_item() -> None:
    request = contract.parse_v1({"instances": [{"b64": "aGk="}] * 2})
    answer = contract.build_answer(request, [NotAPicture("no"), RESULT], CARD)
    assert json.loads(answer.body) == {"predictions": [{"error": "no", "status": 400}, {"b64": "/wBwaWN0dXJl"}]}


def test_raw_answer_is_the_picture() -> None:
    answer = contract.build_answer(contract.parse_raw(b"hi", {"quality": "80"}), [RESULT], CARD)
    assert (answer.body, answer.media_type) == (RESULT.data, "image/png")
    assert answer.headers["x-loupe-version"] == "3"


def test_the_only_pictures_error_is_the_answer() -> None:
    answer = contract.build_answer(contract.parse_v2(v2()), [PictureTooLarge("big")], CARD)
    assert (answer.status, json.loads(answer.body)) == (413, {"error": "big"})


def test_a_full_server_says_when_to_come_back() -> None:
    answer = contract.error_answer(Overloaded("full", retry_after=2.1))
    assert (answer.status, answer.headers) == (503, {"retry-after": "3"})
