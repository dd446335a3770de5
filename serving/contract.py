"""The inference contract: what a request may say, in each of its three forms, and how it is answered.

    request = parse_v2(load_json(body))         # or parse_v1, parse_raw
    answer = build_answer(request, results, card)

- v2, the Open Inference Protocol: ``{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [n],
  "data": [base64, ...]}], "parameters": {options}}``
- v1: ``{"instances": [{"b64": base64, "parameters": {options}}, ...]}``
- raw: the picture's own bytes, or a form with it in ``data`` and options in other fields (TorchServe only).

Which options there are is the model's matter (``serving/options.py``): ``read`` reads them. What enlarges answers a
picture for each, what draws several, and beside them maps of entropy.

A request that cannot be understood raises. A picture that cannot be used is an error in the place of its
result, and its neighbours go on; where it was alone, its error is the answer.
"""

import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import orjson

from loupe.checkpoint import Kind
from loupe.errors import InvalidOption, LoupeError, Overloaded, PictureTooLarge
from serving.options import AnyOptions, Options, ReadOptions, parse_options


class MalformedRequest(LoupeError):
    """A body that is not what the protocol asks for."""

    status: ClassVar[int] = 400


@dataclass(frozen=True, kw_only=True)
class Item:
    """One encoded picture and what to make of it."""

    data: bytes
    options: AnyOptions = field(default_factory=Options)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that was understood; an item may still be an error of its own."""

    protocol: Literal["v1", "v2", "raw"]
    items: tuple[Item | LoupeError, ...]
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an answer says of the model that made it. ``halo`` lets a client cut tiles without a table; what draws has
    none, as it takes no tiles.
    """

    name: str
    version: str
    scale: int
    halo: int
    kind: Kind = "enlarger"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One enlarged picture, encoded."""

    data: bytes
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn from one sketch, encoded: a picture and a map of entropy for each sample; ``sheet`` has all
    pictures side by side, for an answer that can hold one only.
    """

    images: tuple[bytes, ...]
    entropy: tuple[bytes, ...]
    media_type: str
    sheet: bytes = b""


AnyResult = Result | Drawn


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP response, whichever server sends it."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def load_json(body: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in a body. Raises MalformedRequest."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise MalformedRequest(f"got a JSON {type(message).__name__}, expected an object")
    return message


def parse_v2(message: Mapping[str, Any], *, max_items: int = 64, read: ReadOptions = parse_options) -> Request:
    """Read an Open Inference Protocol request. Raises MalformedRequest, InvalidOption, PictureTooLarge."""
    identity = message.get("id")
    if not isinstance(identity, str | None):
        raise MalformedRequest(f"id: got {identity!r}, expected text")
    inputs = _list_of_objects(message, "inputs")
    if len(inputs) != 1 or inputs[0].get("name") != "image":
        names = ", ".join(repr(tensor.get("name")) for tensor in inputs)
        raise MalformedRequest(f"inputs: got {names}, expected one input with the name 'image'")
    tensor = inputs[0]
    if tensor.get("datatype") != "BYTES":
        raise MalformedRequest(
            f"input 'image': got datatype {tensor.get('datatype')!r}, expected 'BYTES': base64 of PNG, JPEG ..."
        )
    data, shape = tensor.get("data"), tensor.get("shape")
    if not isinstance(data, list) or not data:
        raise MalformedRequest("input 'image': data must be a list of one base64 text or more")
    check_shape(shape, len(data), max_items)
    options = read({**_object(message, "parameters"), **_object(tensor, "parameters")})
    return Request(protocol="v2", id=identity, items=tuple(_item(text, options) for text in data))


def parse_v1(message: Mapping[str, Any], *, max_items: int = 64, read: ReadOptions = parse_options) -> Request:
    """Read a v1 request. Options belong to each instance, and so do their errors."""
    instances = _list_of_objects(message, "instances")
    check_shape([len(instances)], len(instances), max_items)
    items: list[Item | LoupeError] = []
    for instance in instances:
        unknown = sorted(instance.keys() - {"b64", "parameters"})
        if unknown:
            items.append(MalformedRequest(f"instance: unknown field {unknown[0]!r}, expected b64, parameters"))
            continue
        try:
            items.append(_item(instance.get("b64"), read(instance.get("parameters"))))
        except InvalidOption as error:
            items.append(error)
    return Request(protocol="v1", items=tuple(items))


def parse_raw(data: bytes, options: Mapping[str, object], *, read: ReadOptions = parse_options) -> Request:
    """One picture as it is. Raises InvalidOption."""
    return Request(protocol="raw", items=(Item(data=data, options=read(options)),))


def check_shape(shape: object, count: int, max_items: int) -> None:
    """A shape must hold as many pictures as there are, and no more than the server takes at once."""
    if not isinstance(shape, Sequence) or not all(isinstance(size, int) for size in shape):
        raise MalformedRequest(f"input 'image': got shape {shape!r}, expected [{count}]")
    if math.prod(shape) != count:
        raise MalformedRequest(f"input 'image': got shape {list(shape)} for {count} pictures, expected [{count}]")
    if count > max_items:
        raise PictureTooLarge(f"got {count} pictures in one request, expected at most {max_items}")


def build_answer(request: Request, results: Sequence[AnyResult | LoupeError], card: Card) -> Answer:
    """The response to ``request``, given the result or the error of each of its items, in order."""
    if len(results) == 1 and isinstance(results[0], LoupeError):
        return error_answer(results[0])
    if request.protocol == "raw" and not isinstance(results[0], LoupeError):
        only = results[0]
        headers = {"x-loupe-model": card.name, "x-loupe-version": card.version}
        body = only.data if isinstance(only, Result) else only.sheet
        return Answer(status=200, body=body, media_type=only.media_type, headers=headers)
    if request.protocol == "v1":
        return Answer(status=200, body=orjson.dumps({"predictions": [_prediction(result) for result in results]}))
    message = {
        "model_name": card.name,
        "model_version": card.version,
        "outputs": [
            {"name": name, "datatype": "BYTES", "shape": shape, "data": [encode_base64(one) for one in data]}
            for name, shape, data in tensors(results)
        ],
        "parameters": answer_parameters(results, card),
    }
    if request.id is not None:
        message["id"] = request.id
    return Answer(status=200, body=orjson.dumps(message))


def tensors(results: Sequence[AnyResult | LoupeError]) -> list[tuple[str, list[int], list[bytes]]]:
    """Name, shape and data of each output; an item that failed has empty bytes in its places.

    ``image`` is [items]; of what was drawn it is [items, samples], and so is ``entropy``.
    """
    samples = max((len(result.images) for result in results if isinstance(result, Drawn)), default=0)
    if not samples:
        return [("image", [len(results)], [result.data if isinstance(result, Result) else b"" for result in results])]
    empty = (b"",) * samples
    drawn = [(result.images, result.entropy) if isinstance(result, Drawn) else (empty, empty) for result in results]
    shape = [len(results), samples]
    return [
        ("image", shape, [one for images, _ in drawn for one in images]),
        ("entropy", shape, [one for _, maps in drawn for one in maps]),
    ]


def _prediction(result: AnyResult | LoupeError) -> dict[str, object]:
    if isinstance(result, LoupeError):
        return {"error": str(result), "status": result.status}
    if isinstance(result, Result):
        return {"b64": encode_base64(result.data)}
    images, maps = ([encode_base64(one) for one in data] for data in (result.images, result.entropy))
    return {"images": images, "entropy": maps}


def answer_parameters(results: Sequence[AnyResult | LoupeError], card: Card) -> dict[str, str | int]:
    """The parameters of a v2 answer; ``errors`` is JSON text, because the protocol allows nothing deeper."""
    parameters: dict[str, str | int] = {
        "version": card.version,
        "kind": card.kind,
        "scale": card.scale,
        "halo": card.halo,
    }
    errors = {str(i): str(result) for i, result in enumerate(results) if isinstance(result, LoupeError)}
    if errors:
        parameters["errors"] = json.dumps(errors)
    return parameters


def error_answer(error: LoupeError) -> Answer:
    """``{"error": ...}`` with the error's own status, and when to come back where the server is full."""
    headers = {}
    if isinstance(error, Overloaded):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    return Answer(status=error.status, body=orjson.dumps({"error": str(error)}), headers=headers)


def encode_base64(data: bytes) -> str:
    """Base64 without line breaks."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _item(text: object, options: AnyOptions) -> Item | LoupeError:
    """An item from its base64, or the error that stands in its place."""
    if not isinstance(text, str):
        return MalformedRequest(f"picture: got {type(text).__name__}, expected base64 text")
    try:
        return Item(data=binascii.a2b_base64(text, strict_mode=True), options=options)
    except ValueError as error:  # binascii.Error is one; so is text beyond ASCII
        return MalformedRequest(f"picture: not base64: {error}")


def _list_of_objects(message: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    values = message.get(key)
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        got = "nothing" if key not in message else "an empty list" if values == [] else type(values).__name__
        raise MalformedRequest(f"{key}: got {got}, expected a list of one object or more")
    return values


def _object(message: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = message.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidOption(f"{key}: got {type(value).__name__}, expected an object")
    return value
