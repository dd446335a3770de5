"""RemoteArtist: a model that draws, behind an inference server, used like one in this process.

    artist = RemoteArtist("http://127.0.0.1:8080", "pixel_recursive_faces")
    drawing = artist.draw(sketch, DrawOptions(samples=6), on_row=show)

Rows come as they are drawn from a server that streams (the embedded one); from others (TorchServe) the drawing comes
whole at its end, and cancelling only stops the waiting.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from loupe.checkpoint import Kind, require_kind
from loupe.drawing import Bytes, Drawing, DrawOptions, Given, OnRows, decode_entropy, encode_given, to_bytes
from loupe.errors import BackendUnavailable, Cancelled, LoupeError, NotAPicture, PictureTooLarge
from loupe.images import Picture, decode, encode
from loupe.inference_client import ANSWER_MARGIN, InferenceClient
from loupe.open_inference import TILE_HEADER, Answer, request_body
from loupe.settings import Limits

TIMEOUT = 300.0  # seconds; a server that does not stream says nothing until all is drawn
PROBE_TIMEOUT = 20.0


class RemoteArtist:
    """An Artist over ``POST {url}/v2/models/{model}/infer_stream`` or ``/infer``. Thread-safe; close it."""

    def __init__(self, url: str, model: str, *, timeout: float = TIMEOUT, retries: int = 3) -> None:
        """Connect and learn version and scale from one cell. Raises InvalidOption (url, or a model that enlarges),
        ModelNotFound, BackendUnavailable.
        """
        self.name = model
        self._client = InferenceClient(url, model, timeout=timeout, retries=retries)
        self._streams = True
        try:
            answer = self._client.infer(
                request_body(encode_cells(np.zeros((1, 1, 3), np.uint8))), largest=ANSWER_MARGIN
            )
            require_kind(model, answer.parameters.kind, "sampler")
        except LoupeError:
            self.close()
            raise
        self.version, self.scale = answer.parameters.version, answer.parameters.scale

    def draw(
        self,
        sketch: Bytes,
        options: DrawOptions,
        given: Given | None = None,
        *,
        on_row: OnRows | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Drawing:
        """As loupe.artists.Artist."""
        more = {} if given is None else {"given": base64.b64encode(encode_given(given)).decode()}
        body = request_body(encode_cells(sketch), **options.model_dump(), **more)
        height, width = (side * self.scale for side in sketch.shape[:2])
        largest = options.samples * height * width * 3 * 8 + ANSWER_MARGIN  # once in rows, once whole, in base64

        def take(event: Mapping[str, Any]) -> None:
            if cancelled():
                raise Cancelled(f"stopped drawing with {self.name}")
            if event.get("type") == "row" and on_row is not None:
                row = self._pixels(base64.b64decode(str(event["image"])), options.samples, width)
                on_row(int(event["y"]), row)

        answer = self._client.stream(body, take, largest=largest) if self._streams else None
        if answer is None:
            self._streams = False
            answer = self._client.infer(body, largest=largest)
        self.version = answer.parameters.version
        return self._drawing(answer, options.samples, height, width)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drawing(self, answer: Answer, samples: int, height: int, width: int) -> Drawing:
        try:
            images, maps = answer.pictures("image"), answer.pictures("entropy")
        except ValueError as error:
            raise BackendUnavailable(self._client.stranger("what is not base64")) from error
        if not len(images) == len(maps) == samples:
            got = f"{len(images)} pictures and {len(maps)} maps of entropy, expected {samples} of each"
            raise BackendUnavailable(self._client.stranger(got))
        pictures = np.stack([self._pixels(image, height, width) for image in images])
        entropy = np.stack([decode_entropy(Picture(color=self._pixels(one, height, width))) for one in maps])
        return Drawing(pictures, entropy)

    def _pixels(self, data: bytes, height: int, width: int) -> Bytes:
        """Checked before it is decoded."""
        try:
            pixels = to_bytes(decode(data, Limits(max_bytes=ANSWER_MARGIN, max_pixels_in=height * width)))
        except (NotAPicture, PictureTooLarge) as error:
            raise BackendUnavailable(self._client.stranger(f"a picture that is damaged ({error})")) from error
        if pixels.shape != (height, width, 3):
            size = f"{pixels.shape[1]}x{pixels.shape[0]}, expected {width}x{height}"
            raise BackendUnavailable(self._client.stranger(f"a picture of a wrong size: {size}"))
        return pixels


def encode_cells(sketch: Bytes) -> bytes:
    """(h,w,3) -> PNG, a pixel a cell. Also of a row of several samples."""
    return encode(Picture(color=sketch), "PNG")


def ask_kind(url: str, model: str) -> Kind:
    """What a model at a server is for, from the smallest question there is. Raises as RemoteArtist."""
    client = InferenceClient(url, model, timeout=PROBE_TIMEOUT, headers={TILE_HEADER: "1"})
    try:
        body = request_body(encode_cells(np.zeros((1, 1, 3), np.uint8)))
        return client.infer(body, largest=ANSWER_MARGIN).parameters.kind
    finally:
        client.close()
