"""Errors as JSON: every failure of every route leaves as ``{"error": "..."}`` with its own status."""

import asyncio
import logging
import math
from contextlib import suppress

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from frontend.guard import HEADERS
from frontend.uploads import UploadTooLarge
from loupe.errors import Cancelled, LoupeError, Overloaded

logger = logging.getLogger(__name__)

LINGER_SECONDS = 2
LINGER_BYTES = 8 * 1024**2


class LastWord(JSONResponse):
    """An answer to a request that is still coming in, after which the connection is closed.

    Closing at once would reset the connection, and many clients then never see the answer: so a little more
    of the request is read and thrown away first, bounded in time and bytes.
    """

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            await asyncio.wait_for(_throw_away(receive, LINGER_BYTES), LINGER_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def problem(error: LoupeError) -> JSONResponse:
    """The response of an error of ours; an overloaded server also says when to come back."""
    if isinstance(error, UploadTooLarge):
        return LastWord({"error": str(error)}, error.status)
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if isinstance(error, Overloaded) else None
    return JSONResponse({"error": str(error)}, error.status, headers)


def add_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every kind of error in one shape."""
    app.add_exception_handler(LoupeError, _ours)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, LoupeError)  # noqa: S101  (registered for nothing else)
    return problem(error)


async def _routing(_: Request, error: Exception) -> Response:
    """No such page, no such method, a form that is not one."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return JSONResponse({"error": said}, 422)


async def _gone(_: Request, error: Exception) -> Response:
    """The client went away during its upload: nobody reads this, but the metrics count it."""
    return problem(Cancelled(f"the upload was broken off: {error}"))


async def _unexpected(_: Request, error: Exception) -> Response:
    """A fault of ours: the person gets no stack trace; Starlette logs it once we have answered."""
    logger.error("unexpected %s", type(error).__name__)
    said = "something broke on our side; the server's log has the details"
    return JSONResponse({"error": said}, 500, HEADERS)  # made outside of the guard, which adds them elsewhere


async def _throw_away(receive: Receive, most: int) -> None:
    """Read and forget the rest of a request, up to ``most`` bytes."""
    more = True
    while more and most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        more = message.get("more_body", False)
