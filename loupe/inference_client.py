"""One model's address at an inference server: requests, repeated where that makes sense, and errors in our words.

    client = InferenceClient("http://127.0.0.1:8080", "edsr_x4")
    answer = client.infer(body, largest=10_000_000)
    answer = client.stream(body, on_event, largest=10_000_000)      # None from a server that cannot stream

Inference changes nothing on the server, so a request that failed on the way is repeated on a new connection: another
replica may be behind it. Neither redirects nor the environment's proxies are followed: the address that was given is
the only one that is ever spoken to.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx
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
from loupe.open_inference import STREAM, Answer, endpoint, error_message, retry_after

logger = logging.getLogger(__name__)
T = TypeVar("T")

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


class InferenceClient:
    """Thread-safe; close it. ``shown`` is the address as it may be shown (without a password)."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout: float,
        retries: int = 3,
        connections: int = 16,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """``timeout`` is seconds for one attempt, ``retries`` the attempts after the first, ``connections`` the most
        that are open. Raises InvalidOption (url), ModelNotFound (a name that cannot be one).
        """
        self.model = model
        self._url, self.shown = endpoint(url, model)
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
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **(headers or {})},
                verify=verify,
                trust_env=False,
                follow_redirects=False,
            )
            for kept in (connections, 0)  # the second keeps none: each of its requests has its own connection
        )

    def infer(self, body: bytes, *, largest: int) -> Answer:
        """The answer, of at most ``largest`` bytes and within the timeout. Raises BackendUnavailable, Overloaded, or
        the server's own refusal as the error of that status.
        """
        return self._patiently(lambda client: self._attempt(client, self._url, body, self._read_answer, largest))

    def stream(self, body: bytes, on_event: Callable[[Mapping[str, Any]], None], *, largest: int) -> Answer | None:
        """The same, with what is told on the way; None where the server has no such route. The timeout is between
        two events; an attempt that is repeated begins its events anew. What ``on_event`` raises ends it.
        """

        def read(response: httpx.Response, largest: int) -> Answer:
            for event in self._events(response, largest):
                if event.get("type") == "answer":
                    return self._parse(json.dumps(event).encode(), response)
                if event.get("type") == "error":
                    raise self._error(int(event.get("status", 500)), str(event.get("error", "")), None)
                on_event(event)
            raise httpx.RemoteProtocolError("the answer ended half-way")

        url = self._url.copy_with(path=f"{self._url.path}{STREAM}")
        try:
            return self._patiently(lambda client: self._attempt(client, url, body, read, largest))
        except _NoSuchRoute:
            return None

    def close(self) -> None:
        """Also ends what other threads are waiting to repeat: they get Cancelled."""
        self._closed.set()
        self._client.close()
        self._fresh.close()

    def stranger(self, answered: str) -> str:
        """The message for an answer that no server of ours gives."""
        return f"{self.shown} does not answer as a Loupe inference server: {answered}. Check the address."

    def _patiently(self, attempt: Callable[[httpx.Client], T]) -> T:
        for number in range(self._retries + 1):
            try:
                return attempt(self._fresh if number else self._client)
            except _TryAgain as failure:
                if number == self._retries:
                    raise failure.error from failure.__cause__
                wait = failure.wait if failure.wait is not None else 0.2 * 2**number
                logger.info("attempt %d: %s; trying again", number + 1, failure)
                if self._closed.wait(min(wait, MAX_WAIT) * random.uniform(1.0, 1.5)):
                    raise Cancelled(f"stopped asking {self.shown}: the backend was closed") from failure
        raise AssertionError("the last attempt returns or raises")

    def _attempt(
        self,
        client: httpx.Client,
        url: httpx.URL,
        body: bytes,
        read: Callable[[httpx.Response, int], T],
        largest: int,
    ) -> T:
        """Send once. Raises _TryAgain where another attempt makes sense, LoupeError where none does."""
        try:
            with client.stream("POST", url, content=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response, self._content(response, largest))
                return read(response, largest)
        except httpx.TimeoutException as error:
            failure = f"no whole answer within {self._timeout:g} s"
            raise _TryAgain(BackendUnavailable(self._down(failure))) from error
        except httpx.TransportError as error:
            raise _TryAgain(BackendUnavailable(self._down(str(error) or type(error).__name__))) from error
        except httpx.DecodingError as error:
            raise BackendUnavailable(self.stranger(f"damaged bytes ({error})")) from error

    def _content(self, response: httpx.Response, largest: int) -> bytes:
        content = bytearray()
        deadline = time.monotonic() + self._timeout
        for chunk in response.iter_bytes():
            content += chunk
            self._check_size(len(content), largest)
            if time.monotonic() > deadline:  # httpx's own timeout starts anew with every byte
                raise httpx.ReadTimeout("the answer came too slowly")
        return bytes(content)

    def _events(self, response: httpx.Response, largest: int) -> Iterator[dict[str, Any]]:
        rest, size = b"", 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            self._check_size(size, largest)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError as error:
                    raise BackendUnavailable(self.stranger("lines that are not JSON")) from error
                if isinstance(event, dict):
                    yield event

    def _check_size(self, size: int, largest: int) -> None:
        if size > largest:
            raise BackendUnavailable(self.stranger(f"more than {largest} bytes, far more than was asked for"))

    def _read_answer(self, response: httpx.Response, largest: int) -> Answer:
        return self._parse(self._content(response, largest), response)

    def _parse(self, content: bytes, response: httpx.Response) -> Answer:
        try:
            return Answer.model_validate_json(content)
        except ValidationError as error:
            what = response.headers.get("content-type", "bytes of no stated type")
            raise BackendUnavailable(self.stranger(f"{what} that is no v2 answer with a picture")) from error

    def _refusal(self, response: httpx.Response, content: bytes) -> Exception:
        """The exception for an answer other than 200."""
        status, message = response.status_code, error_message(content)
        if response.is_redirect:
            target = response.headers.get("location", "nowhere")
            return BackendUnavailable(self.stranger(f"a redirect to {target}, which is not followed"))
        if str(response.url.path).endswith(STREAM) and (status == 405 or (status == 404 and message in _NO_ROUTE)):
            return _NoSuchRoute()
        return self._error(status, message, response.headers.get("retry-after"), response.reason_phrase)

    def _error(self, status: int, message: str | None, wait: str | None, reason: str = "") -> Exception:
        said = f"The inference server at {self.shown} answered {status}: {message or reason}"
        if status == 503 and wait is not None:
            seconds = retry_after(wait)
            return _TryAgain(Overloaded(said, retry_after=seconds if seconds is not None else 1.0), seconds)
        if status in (502, 503, 504):
            return _TryAgain(BackendUnavailable(said))
        if status >= 500:
            return BackendUnavailable(said)
        if status == 404 and message is not None:
            return ModelNotFound(f"No model {self.model!r} at {self.shown}: {message}")
        if status in REFUSALS and message is not None:
            return REFUSALS[status](message)
        return BackendUnavailable(self.stranger(f"{status} {message or reason}"))

    def _down(self, failure: str) -> str:
        return (
            f"No answer from the inference server at {self.shown}: {failure}. "
            "Start it with `make run`, or give the address of one that runs."
        )


class _NoSuchRoute(Exception):
    """The server answers, and has no route that streams: TorchServe, or a server of another make."""


_NO_ROUTE = (None, "Not Found")  # what is said of a route, not of a model
