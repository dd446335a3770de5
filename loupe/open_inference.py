"""The wire of the Open Inference Protocol v2, as a client speaks it: address, request, answer, error.

One BYTES tensor called ``image`` goes each way, holding base64 of an encoded picture; the answer's parameters
say which version made it, and that model's kind, scale and halo. What draws answers several, and beside ``image`` an
``entropy``. Used by loupe/remote.py and loupe/remote_artist.py.

The protocol: https://github.com/kserve/open-inference-protocol
"""

import base64
import json
import re

import httpx
from pydantic import BaseModel, Field

from loupe.checkpoint import Kind
from loupe.errors import InvalidOption, ModelNotFound

MAX_SCALE = 16
STREAM = "_stream"  # after the address of a request: the same, answered in lines of JSON as it is worked on
TILE_HEADER = "x-loupe-tile"  # with any value: a part of a picture, or a probe, which loupe/observed.py does not count


class Parameters(BaseModel):
    """What the server says of the model that made the answer; ``halo`` is in pixels of the small picture."""

    version: str
    scale: int = Field(ge=1, le=MAX_SCALE)
    halo: int = Field(ge=0, le=4096)
    kind: Kind = "enlarger"


class Tensor(BaseModel):
    """One BYTES output; each entry of ``data`` is base64."""

    name: str = "image"
    data: list[str] = Field(min_length=1)


class Answer(BaseModel):
    """An inference response, as far as we read it."""

    outputs: list[Tensor] = Field(min_length=1)
    parameters: Parameters

    def image(self) -> bytes:
        """The encoded picture; binascii.Error (a ValueError) if it is not base64."""
        return base64.b64decode(self.outputs[0].data[0], validate=True)

    def pictures(self, name: str) -> list[bytes]:
        """All of the output of that name, none if there is none such; ValueError as above."""
        return [
            base64.b64decode(one, validate=True)
            for tensor in self.outputs
            if tensor.name == name
            for one in tensor.data
        ]


def request_body(image: bytes, **options: object) -> bytes:
    """The JSON that asks for one encoded picture to be worked on and answered as PNG."""
    data = [base64.b64encode(image).decode()]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": data}
    return json.dumps({"inputs": [tensor], "parameters": {"format": "PNG", **options}}).encode()


def endpoint(url: str, model: str) -> tuple[httpx.URL, str]:
    """The address of ``model``'s infer route, and the base address as it may be shown (without a password).

    ``{model}`` in ``url`` is replaced: in the path by the name, in the host by the name as a DNS label
    (edsr_x4 -> edsr-x4), so that no name can lead to another host's domain.

    Raises InvalidOption (url) and ModelNotFound (a name that cannot be one).
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", model):
        raise ModelNotFound(f"No model can be called {model!r}: expected letters, digits, '_', '-' and '.'")
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host = host.replace("{model}", re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-"))
    path = path.replace("{model}", model)
    expected = "expected http://host:port or https://host/path, which may hold {model}"
    try:
        base = httpx.URL(f"{scheme}://{host}{slash}{path}")
    except httpx.InvalidURL as error:
        raise InvalidOption(f"Not the address of an inference server ({error}); {expected}") from error
    shown = str(base.copy_with(username=None, password=None)).rstrip("/")
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise InvalidOption(f"Not the address of an inference server: {shown!r}; {expected}")
    return base.copy_with(path=f"{base.path.rstrip('/')}/v2/models/{model}/infer"), shown


def error_message(content: bytes) -> str | None:
    """The text of a JSON error: {"error"} of ours and KServe's, {"code", "type", "message"} of TorchServe's.

    None for anything else, a route that TorchServe does not have included: that is no word on a model.
    """
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    if not isinstance(answer, dict) or answer.get("type") == "ResourceNotFoundException":
        return None
    message = answer.get("error", answer.get("message") if "code" in answer else None)
    return message if isinstance(message, str) else None


def retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header; None for its date form."""
    return float(value) if re.fullmatch(r"\d{1,6}", value.strip(), re.ASCII) else None
