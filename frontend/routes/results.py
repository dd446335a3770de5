"""GET /api/results/{key}: a finished picture, from storage; any replica has them all."""

import re
import time
from collections.abc import Iterator
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from frontend.results import Result, Results

CHUNK = 256 * 1024
GONE = "there is no such result, or it was kept long enough and is gone; enlarge the picture again"

Key = Annotated[str, Path(description="64 hex digits, from the result's url", examples=["4f1c" * 16])]
Download = Annotated[
    str | None,
    Query(max_length=400, description="save under this name instead of showing", examples=["cat_x4.png"]),
]


def router(results: Results) -> APIRouter:
    """The route, over the results in storage."""
    routes = APIRouter(tags=["pictures"])

    @routes.head("/api/results/{key}", include_in_schema=False)
    @routes.get(
        "/api/results/{key}",
        summary="A finished picture",
        response_class=Response,
        responses={
            200: {"description": "The picture", "content": {"image/png": {}}},
            304: {"description": "The browser has it already"},
            404: {
                "description": "No such result, or expired",
                "content": {"application/json": {"example": {"error": GONE}}},
            },
        },
    )
    async def result(request: Request, key: Key, download: Download = None) -> Response:
        """The picture's bytes. They never change under one key, so browsers keep them until they expire."""
        found = await run_in_threadpool(results.find, key)
        if found is None:
            raise HTTPException(404, GONE)
        headers = _headers(key, found, download)
        if _matches(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(found.bytes)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=found.media_type)
        file = await run_in_threadpool(results.open, key)
        return StreamingResponse(_chunks(file), headers=headers, media_type=found.media_type)

    return routes


def file_name(wanted: str, suffix: str) -> str:
    """A name that is safe on every system: no folders, no control or reserved characters, the right suffix.

    ``"../../etc/passwd"`` -> ``"passwd.png"``
    """
    last = re.split(r"[/\\]", wanted)[-1]
    clean = re.sub(r'[\x00-\x1f\x7f-\x9f<>:"|?*\u200e\u200f\u2028-\u202e\u2066-\u2069]', "", last).strip(" .")
    stem = clean[: -len(suffix)] if clean.lower().endswith(suffix) else clean
    return f"{stem[:120].strip(' .') or 'loupe'}{suffix}"


def _headers(key: str, found: Result, download: str | None) -> dict[str, str]:
    left = max(0, int(found.expires - time.time()))
    headers = {"ETag": f'"{key}"', "Cache-Control": f"private, max-age={left}, immutable"}
    if download is not None:
        name = file_name(download, SUFFIXES[found.format])
        plain = re.sub(r"[^A-Za-z0-9._ ()+-]", "_", name)
        headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return headers


def _matches(sent: str, etag: str) -> bool:
    """Whether an If-None-Match header names ``etag``."""
    return sent.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in sent.split(","))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "AVIF": ".avif"}
