"""What every request must be and every answer must carry: ASGI middleware around the whole application."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_HEADER_BYTES = 32 * 1024
METHODS = {"GET", "HEAD", "POST"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI sets style attributes and draws its icons from data: addresses.
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Refuses unknown methods, foreign Host names and requests that another site's page sends to us."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                policy = DOCS_POLICY if scope["path"] == "/docs" else PAGE_POLICY
                headers.setdefault("Content-Security-Policy", policy)
            await send(message)

        # h11's own limit holds only for headers that come in several pieces.
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            refusal: JSONResponse | None = JSONResponse({"error": "the headers are too large"}, 431)
        else:
            refusal = self._refuse(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, dressed)

    def _refuse(self, method: str, headers: Headers) -> JSONResponse | None:
        if method not in METHODS:
            allow = ", ".join(sorted(METHODS))
            return JSONResponse({"error": f"the method {method[:20]} is not allowed"}, 405, {"Allow": allow})
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            said = f"this server does not answer to the name {host[:100]!r}; see LOUPE_ALLOWED_HOSTS"
            return JSONResponse({"error": said}, 421)
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if method == "POST" and (foreign or headers.get("sec-fetch-site", "same-origin") == "cross-site"):
            return JSONResponse({"error": "pages of other sites may not send pictures here"}, 403)
        return None


def _name(host: str) -> str:
    """``"[::1]:8000"`` -> ``"::1"``; an impossible Host gives an empty name."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
