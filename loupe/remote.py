"""RemoteBackend: a model behind an Open Inference Protocol v2 endpoint, used like one in this process.

    with RemoteBackend("http://127.0.0.1:8080", "edsr_x4") as backend:
        hr = backend(lr)                            # (N,3,h,w) -> (N,3,h*scale,w*scale), float32 in [0,1]

Each tile is one request, so a large photo spreads over all replicas and progress is exact. Inference changes
nothing on the server, so a request that failed on the way is repeated on a new connection: another replica
may be behind it. Neither redirects nor the environment's proxies are followed: the address that was given is
the only one that is ever spoken to.
"""

import logging
import random
import threading
import time
from typing import Self

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from loupe.errors import (
    BackendUnavailable,
    Cancelled,
    InvalidOption,
    LoupeError,
    ModelNotFound,
    NotAPicture,
    Overloaded,
    PictureTooLarge,
)
from loupe.images import Picture, decode, encode
from loupe.open_inference import MAX_SCALE, TILE_HEADER, Answer, endpoint, error_message, request_body, retry_after
from loupe.settings import Limits

logger = logging.getLogger(__name__)

PROBE_SIDE = 16
ANSWER_MARGIN = 1024**2  # bytes of an answer beyond its pixels: JSON around them, metadata in the PNG
MAX_WAIT = 10.0  # seconds; a server that asks for longer by Retry-After is asked again sooner
KEEP_ALIVE = 3.0  # seconds; less than uvicorn's 5, so that we never send on a connection it is just closing
REFUSALS: dict[int, type[LoupeError]] = {400: NotAPicture, 413: PictureTooLarge, 422: InvalidOption}


class _TryAgain(Exception):  # not a LoupeError: it never leaves this module
    """This attempt failed in a way that another one may not; ``error`` is raised if none is left."""

    def __init__(self, error: LoupeError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class RemoteBackend:
    """A Backend over ``POST {url}/v2/models/{model}/infer``. Thread-safe; close it, or use ``with``."""

    def __init__(self, url: str, model: str, *, timeout: float = 60.0, retries: int = 3, connections: int = 16) -> None:
        """Connect and learn version, scale and halo from one 16x16 picture.

        ``url`` is http(s) and may hold ``{model}`` (see open_inference.endpoint). ``timeout`` is seconds for
        one attempt, ``retries`` the attempts after the first, ``connections`` the most that are open.

        Raises InvalidOption (url), ModelNotFound, BackendUnavailable (server down, or not a Loupe server).
        """
        self.name = model
        self._url, self._shown = endpoint(url, model)
        self._timeout = timeout
        self._retries = retries
        self._closed = threading.Event()
        verify = httpx.create_ssl_context() if self._url.scheme == "https" else False
        self._client, self._fresh = (
            httpx.Client(
                timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0), pool=None),
                limits=httpx.Limits(
                    max_connections=connections, max_keepalive_connections=kept, keepalive_expiry=KEEP_ALIVE
                ),
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity", TILE_HEADER: "1"},
                verify=verify,
                trust_env=False,
                follow_redirects=False,
            )
            for kept in (connections, 0)  # the second keeps none: each of its requests has its own connection
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
        self._closed.set()
        self._client.close()
        self._fresh.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enlarge(self, tile: NDArray[np.float32], *, largest_pixels: int) -> tuple[Answer, NDArray[np.float32]]:
        """One tile's answer and picture (3, H, W), repeating attempts that failed on the way."""
        body = request_body(_to_png(tile))
        for attempt in range(self._retries + 1):
            try:
                answer = self._attempt(self._fresh if attempt else self._client, body, largest_pixels)
                return answer, self._picture(answer, largest_pixels)
            except _TryAgain as failure:
                if attempt == self._retries:
                    raise failure.error from failure.__cause__
                wait = failure.wait if failure.wait is not None else 0.2 * 2**attempt
                logger.info("attempt %d: %s; trying again", attempt + 1, failure)
                if self._closed.wait(min(wait, MAX_WAIT) * random.uniform(1.0, 1.5)):
                    raise Cancelled(f"stopped asking {self._shown}: the backend was closed") from failure
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, client: httpx.Client, body: bytes, largest_pixels: int) -> Answer:
        """Send once. Raises _TryAgain where another attempt makes sense, LoupeError where none does."""
        largest = largest_pixels * 3 * 2 * 4 // 3 + ANSWER_MARGIN  # bytes: RGB, 16 bit, base64
        content = bytearray()
        try:
            with client.stream("POST", self._url, content=body) as response:
                deadline = time.monotonic() + self._timeout
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > largest:
                        raise BackendUnavailable(
                            self._stranger(f"more than {largest} bytes, far more than was asked for")
                        )
                    if time.monotonic() > deadline:  # httpx's own timeout starts anew with every byte
                        raise httpx.ReadTimeout("the answer came too slowly")
        except httpx.TimeoutException as error:
            failure = f"no whole answer within {self._timeout:g} s"
            raise _TryAgain(BackendUnavailable(self._down(failure))) from error
        except httpx.TransportError as error:
            raise _TryAgain(BackendUnavailable(self._down(str(error) or type(error).__name__))) from error
        except httpx.DecodingError as error:
            raise BackendUnavailable(self._stranger(f"damaged bytes ({error})")) from error
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response, bytes(content))
        try:
            return Answer.model_validate_json(bytes(content))
        except ValidationError as error:
            what = response.headers.get("content-type", "bytes of no stated type")
            raise BackendUnavailable(self._stranger(f"{what} that is no v2 answer with a picture")) from error

    def _refusal(self, response: httpx.Response, content: bytes) -> Exception:
        """The exception for an answer other than 200."""
        status, message = response.status_code, error_message(content)
        said = f"The inference server at {self._shown} answered {status}: {message or response.reason_phrase}"
        if status == 503 and "retry-after" in response.headers:
            wait = retry_after(response.headers["retry-after"])
            return _TryAgain(Overloaded(said, retry_after=wait if wait is not None else 1.0), wait)
        if status in (502, 503, 504):
            return _TryAgain(BackendUnavailable(said))
        if response.is_server_error:
            return BackendUnavailable(said)
        if status == 404 and message is not None:
            return ModelNotFound(f"No model {self.name!r} at {self._shown}: {message}")
        if status in REFUSALS and message is not None:
            return REFUSALS[status](message)
        if response.is_redirect:
            target = response.headers.get("location", "nowhere")
            return BackendUnavailable(self._stranger(f"a redirect to {target}, which is not followed"))
        return BackendUnavailable(self._stranger(f"{status} {message or response.reason_phrase}"))

    def _picture(self, answer: Answer, largest_pixels: int) -> NDArray[np.float32]:
        """The answer's picture as (3, H, W) in [0, 1]; its size is checked before it is decoded."""
        limits = Limits(max_bytes=largest_pixels * 6 + ANSWER_MARGIN, max_pixels_in=largest_pixels)
        try:
            color = decode(answer.image(), limits).color
        except (ValueError, NotAPicture, PictureTooLarge) as error:
            raise BackendUnavailable(
                self._stranger(f"a picture that is damaged or of a wrong size ({error})")
            ) from error
        planes = color.transpose(2, 0, 1).astype(np.float32) / np.float32(np.iinfo(color.dtype).max)
        return np.broadcast_to(planes, (3, *planes.shape[1:]))  # (1 or 3, H, W) -> (3, H, W)

    def _check_shape(self, got: NDArray[np.float32], expected: tuple[int, ...]) -> None:
        if got.shape != expected:
            size = f"{got.shape[2]}x{got.shape[1]}, expected {expected[2]}x{expected[1]}"
            raise BackendUnavailable(self._stranger(f"a picture of a wrong size: {size}"))

    def _down(self, failure: str) -> str:
        return (
            f"No answer from the inference server at {self._shown}: {failure}. "
            "Start it with `make run`, or give the address of one that runs."
        )

    def _stranger(self, answered: str) -> str:
        return f"{self._shown} does not answer as a Loupe inference server: {answered}. Check the address."


def _to_png(tile: NDArray[np.float32]) -> bytes:
    """(3,h,w) in [0,1] -> PNG, of 8 bits where they hold every value, else of 16."""
    levels = np.ascontiguousarray(tile.transpose(1, 2, 0)).clip(0, 1) * np.float32(255)  # (h, w, 3)
    whole = np.rint(levels)
    if np.abs(levels - whole).max() <= 1e-3:
        return encode(Picture(color=whole.astype(np.uint8)), "PNG")
    deep = np.rint(levels * np.float32(257))  # 255 * 257 = 65535
    return encode(Picture(color=deep.astype(np.uint16)), "PNG")
