"""NDJSON as a response of the page's server; see ``loupe/ndjson.py``."""

from collections.abc import AsyncGenerator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from frontend.problems import problem
from loupe.errors import LoupeError
from loupe.ndjson import HEADERS, MEDIA_TYPE, Event, send_events


class EventStream(Response):
    """Send events as lines, as they come, and stop them when nobody reads any more."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[Event], status_code: int = 200) -> None:
        super().__init__(status_code=status_code, headers=HEADERS)
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refuse(error: LoupeError) -> None:
            await problem(error)(scope, receive, send)

        await send_events(self._events, receive, send, headers=self.raw_headers, refuse=refuse, status=self.status_code)
