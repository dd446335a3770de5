"""RemoteBackend: a model behind an Open Inference Protocol v2 endpoint, used like one in this process.

    with RemoteBackend("http://127.0.0.1:8080", "edsr_x4") as backend:
        hr = backend(lr)                            # (N,3,h,w) -> (N,3,h*scale,w*scale), float32 in [0,1]

Each tile is one request, so a large photo spreads over all replicas and progress is exact; what fails on the way is
repeated (``loupe/inference_client.py``).
"""

import logging
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loupe.checkpoint import require_kind
from loupe.errors import BackendUnavailable, LoupeError, NotAPicture, PictureTooLarge
from loupe.images import Picture, decode, encode
from loupe.inference_client import ANSWER_MARGIN, InferenceClient
from loupe.open_inference import MAX_SCALE, TILE_HEADER, Answer, request_body
from loupe.settings import Limits

logger = logging.getLogger(__name__)

PROBE_SIDE = 16


class RemoteBackend:
    """A Backend over ``POST {url}/v2/models/{model}/infer``. Thread-safe; close it, or use ``with``."""

    def __init__(self, url: str, model: str, *, timeout: float = 60.0, retries: int = 3, connections: int = 16) -> None:
        """Connect and learn version, scale and halo from one 16x16 picture.

        ``url`` is http(s) and may hold ``{model}`` (see open_inference.endpoint). ``timeout`` is seconds for
        one attempt, ``retries`` the attempts after the first, ``connections`` the most that are open.

        Raises InvalidOption (url), ModelNotFound, BackendUnavailable (server down, or not a Loupe server).
        """
        self.name = model
        self._client = InferenceClient(
            url, model, timeout=timeout, retries=retries, connections=connections, headers={TILE_HEADER: "1"}
        )
        self.version, self.scale, self.halo = "", 0, 0
        try:
            self.probe()
        except LoupeError:
            self.close()
            raise

    def probe(self) -> None:
        """Ask the server (again) for version, scale and halo: a new version may have been rolled out."""
        ramp = (np.arange(PROBE_SIDE) / 255).astype(np.float32)
        tile = np.broadcast_to(ramp, (3, PROBE_SIDE, PROBE_SIDE))
        answer, enlarged = self._enlarge(tile, largest_pixels=(PROBE_SIDE * MAX_SCALE) ** 2)
        learned = answer.parameters
        require_kind(self.name, learned.kind, "enlarger")
        self._check_shape(enlarged, (3, PROBE_SIDE * learned.scale, PROBE_SIDE * learned.scale))
        self.version, self.scale, self.halo = learned.version, learned.scale, learned.halo

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,3,h,w) in [0,1] -> (N,3,h*scale,w*scale) in [0,1], float32.

        Values that are whole 8-bit levels travel in 8 bits, others in 16; the answer has the same depth.
        Raises BackendUnavailable, Overloaded, or the server's own refusal as the error of that status.
        """
        count, channels, height, width = batch.shape
        shape = (channels, height * self.scale, width * self.scale)
        result = np.empty((count, *shape), dtype=np.float32)
        for index, tile in enumerate(batch):
            answer, enlarged = self._enlarge(tile, largest_pixels=shape[1] * shape[2])
            self._check_shape(enlarged, shape)
            result[index] = enlarged
            version = answer.parameters.version
            if version != self.version:
                logger.info("%s went from version %s to %s", self.name, self.version, version)
                self.version = version
        return result

    def close(self) -> None:
        """Also ends what other threads are waiting to repeat: they get Cancelled."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enlarge(self, tile: NDArray[np.float32], *, largest_pixels: int) -> tuple[Answer, NDArray[np.float32]]:
        """One tile's answer and picture (3, H, W)."""
        largest = largest_pixels * 3 * 2 * 4 // 3 + ANSWER_MARGIN  # bytes: RGB, 16 bit, base64
        answer = self._client.infer(request_body(_to_png(tile)), largest=largest)
        return answer, self._picture(answer, largest_pixels)

    def _picture(self, answer: Answer, largest_pixels: int) -> NDArray[np.float32]:
        """The answer's picture as (3, H, W) in [0, 1]; its size is checked before it is decoded."""
        limits = Limits(max_bytes=largest_pixels * 6 + ANSWER_MARGIN, max_pixels_in=largest_pixels)
        try:
            color = decode(answer.image(), limits).color
        except (ValueError, NotAPicture, PictureTooLarge) as error:
            raise BackendUnavailable(
                self._client.stranger(f"a picture that is damaged or of a wrong size ({error})")
            ) from error
        planes = color.transpose(2, 0, 1).astype(np.float32) / np.float32(np.iinfo(color.dtype).max)
        return np.broadcast_to(planes, (3, *planes.shape[1:]))  # (1 or 3, H, W) -> (3, H, W)

    def _check_shape(self, got: NDArray[np.float32], expected: tuple[int, ...]) -> None:
        if got.shape != expected:
            size = f"{got.shape[2]}x{got.shape[1]}, expected {expected[2]}x{expected[1]}"
            raise BackendUnavailable(self._client.stranger(f"a picture of a wrong size: {size}"))


def _to_png(tile: NDArray[np.float32]) -> bytes:
    """(3,h,w) in [0,1] -> PNG, of 8 bits where they hold every value, else of 16."""
    levels = np.ascontiguousarray(tile.transpose(1, 2, 0)).clip(0, 1) * np.float32(255)  # (h, w, 3)
    whole = np.rint(levels)
    if np.abs(levels - whole).max() <= 1e-3:
        return encode(Picture(color=whole.astype(np.uint8)), "PNG")
    deep = np.rint(levels * np.float32(257))  # 255 * 257 = 65535
    return encode(Picture(color=deep.astype(np.uint16)), "PNG")
