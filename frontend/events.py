"""NDJSON over a connection that may drop: the response of everything that takes long.

The status is decided by the first event: an error before it is an ordinary error response, one after it is a
last line ``{"type": "error", "status": ..., "error": ...}``. When the client goes away, the events are closed
at once, which stops the work behind them.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from frontend.problems import problem
from loupe.errors import LoupeError

logger = logging.getLogger(__name__)
Event = Mapping[str, object]


class EventStream(Response):
    """Send events as lines, as they come, and stop them when nobody reads any more."""

    media_type = "application/x-ndjson"

    def __init__(self, events: AsyncGenerator[Event], status_code: int = 200) -> None:
        super().__init__(status_code=status_code, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        telling = asyncio.ensure_future(self._tell(scope, receive, send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, leaving):
                task.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)
            await self._events.aclose()
        if not telling.cancelled():
            telling.result()

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            first = await anext(self._events)
        except LoupeError as error:
            await problem(error)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send(_line(first))
        try:
            async for event in self._events:
                await send(_line(event))
        except LoupeError as error:
            await send(_line({"type": "error", "status": error.status, "error": str(error)}))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _line(event: Event) -> dict[str, object]:
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return {"type": "http.response.body", "body": body, "more_body": True}
