"""What a caller may ask of a result: one set of options for models that enlarge, one for those that draw.

parse_options({"format": "jpg", "quality": "90"})
parse_commission({"samples": 6, "temperature": 1.05, "given": base64})
"""

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from loupe.drawing import DrawOptions, read_draw_options
from loupe.errors import InvalidOption

Format = Literal["PNG", "JPEG", "WEBP", "TIFF", "AVIF"]
FORMATS: tuple[Format, ...] = get_args(Format)
EXPECTED = {
    "format": f"one of {', '.join(FORMATS)}",
    "quality": "a whole number from 1 to 100",
    "width": "a whole number of pixels, 1 or more",
    "height": "a whole number of pixels, 1 or more",
}


def _upper(value: object) -> object:
    return value.upper().replace("JPG", "JPEG") if isinstance(value, str) else value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_bool)]


class Options(BaseModel):
    """What the caller asks of the result. Text such as ``"90"`` is a number too: forms hold no other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[Format, BeforeValidator(_upper)] = "PNG"
    quality: Annotated[Whole, Field(ge=1, le=100)] | None = None
    width: Annotated[Whole, Field(ge=1)] | None = None
    height: Annotated[Whole, Field(ge=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class Commission:
    """What an artist is asked for. ``given`` and ``mask`` are encoded pictures: pixels that are kept, and which."""

    options: DrawOptions
    format: Format = "PNG"
    given: bytes | None = None
    mask: bytes | None = None


AnyOptions = Options | Commission
ReadOptions = Callable[[object], AnyOptions]


def parse_options(given: object) -> Options:
    """Check options. Raises InvalidOption with what was got and what is expected."""
    given = _mapping(given)
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        if name not in EXPECTED:
            raise InvalidOption(f"unknown option {name!r}, expected {', '.join(EXPECTED)}") from error
        raise InvalidOption(f"{name}: got {given[name]!r}, expected {EXPECTED[name]}") from error


def parse_commission(given: object) -> Commission:
    """The same for a model that draws; ``given`` and ``mask`` are base64. Raises InvalidOption."""
    rest = _mapping(given)
    kind = parse_options({"format": rest.pop("format")}).format if "format" in rest else "PNG"
    pictures = {name: _decode(name, rest.pop(name)) for name in ("given", "mask") if name in rest}
    if "mask" in pictures and "given" not in pictures:
        raise InvalidOption("mask: got one without a picture, expected 'given' beside it")
    return Commission(options=read_draw_options(rest), format=kind, **pictures)


def _mapping(given: object) -> dict[str, object]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidOption(f"parameters: got {type(given).__name__}, expected an object of options")
    return dict(given)


def _decode(name: str, text: object) -> bytes:
    try:
        return binascii.a2b_base64(str(text), strict_mode=True)
    except ValueError as error:
        raise InvalidOption(f"{name}: got what is not base64 ({error}), expected a picture in base64") from error
