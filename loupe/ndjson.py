"""Events as lines of JSON over a connection that may drop: the ASGI answer of everything that takes long.

    await send_events(events, receive, send, headers=raw_headers, refuse=problem)

The status is decided by the first event: an error before it is an ordinary error response, one after it is a
last line ``{"type": "error", "status": ..., "error": ...}``. When the client goes away, the events are closed
at once, which stops the work behind them. No web framework is needed here.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from loupe.errors import LoupeError

Event = Mapping[str, object]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
MEDIA_TYPE = "application/x-ndjson"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second keeps nginx from gathering lines


async def send_events(
    events: AsyncGenerator[Event],
    receive: Receive,
    send: Send,
    *,
    headers: Sequence[tuple[bytes, bytes]],
    refuse: Callable[[LoupeError], Awaitable[None]],
    status: int = 200,
) -> None:
    """Send events as they come, and stop them when nobody reads any more. ``refuse`` answers an error before them."""

    async def tell() -> None:
        try:
            first = await anext(events)
        except LoupeError as error:
            await refuse(error)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(_line(first))
        try:
            async for event in events:
                await send(_line(event))
        except LoupeError as error:
            await send(_line({"type": "error", "status": error.status, "error": str(error)}))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    telling = asyncio.ensure_future(tell())
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)
        await events.aclose()
    if not telling.cancelled():
        telling.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _line(event: Event) -> Message:
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return {"type": "http.response.body", "body": body, "more_body": True}
