"""What a person may ask of one picture, as it comes in the fields of a form."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from loupe.errors import InvalidOption
from loupe.images import format_of


class Options(BaseModel):
    """Everything but the model; part of a result's key, so every field changes the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = Field(default="PNG", description="PNG, JPEG, WEBP, TIFF or AVIF")
    quality: int | None = Field(default=None, ge=1, le=100, description="1..100, for formats with loss")
    width: int | None = Field(default=None, ge=1, description="exact width in pixels, at most the factor's")
    height: int | None = Field(default=None, ge=1, description="exact height in pixels")
    keep_metadata: bool = Field(default=True, description="keep EXIF (with its place and camera) in the result")

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return format_of(value)
        except InvalidOption as error:
            raise ValueError(str(error)) from error


def read_options(fields: Mapping[str, str]) -> Options:
    """The options in a form's text fields; an empty field counts as absent. Raises InvalidOption."""
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        raise InvalidOption("; ".join(_say(problem) for problem in error.errors())) from error


def _say(problem: Mapping[str, object]) -> str:
    """One problem of pydantic's in words: which option, what was got, what was expected."""
    where = problem["loc"]
    name = where[0] if isinstance(where, tuple) and where else "form"
    if problem["type"] == "extra_forbidden":
        return f"unknown option {name!r}; the options are {', '.join(Options.model_fields)}"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{name}: got {str(problem['input'])[:80]!r}, {said[:1].lower()}{said[1:]}"
