"""POST /api/preview: a picture that browsers cannot show (TIFF, mostly), as one that they can."""

import asyncio

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from frontend.routes.upscale import ERRORS
from frontend.settings import WebSettings
from frontend.uploads import read_upload
from loupe.images import Picture, decode, encode
from loupe.resize import resize
from loupe.settings import Limits

SIDE = 2048  # pixels; a preview is to be looked at, not kept


def router(settings: WebSettings) -> APIRouter:
    """The route; previews are made one at a time, since each holds a whole decoded picture."""
    routes = APIRouter(tags=["pictures"])
    one_at_a_time = asyncio.Lock()

    @routes.post(
        "/api/preview",
        summary="A PNG to look at",
        response_class=Response,
        responses={
            200: {"description": "At most 2048 pixels a side", "content": {"image/png": {}}},
            **{status: {"description": ERRORS[status][0]} for status in (400, 413, 422)},
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "required": ["file"],
                            "properties": {"file": {"type": "string", "format": "binary"}},
                        }
                    }
                },
            }
        },
    )
    async def preview(request: Request) -> Response:
        """The header `X-Picture-Size` has the size of the picture itself, as `640x480`."""
        upload = await read_upload(request, settings.limits)
        async with one_at_a_time:
            picture, png = await run_in_threadpool(_preview, upload.data, settings.limits)
        size = f"{picture.width}x{picture.height}"
        return Response(png, media_type="image/png", headers={"X-Picture-Size": size, "Cache-Control": "no-store"})

    return routes


def _preview(data: bytes, limits: Limits) -> tuple[Picture, bytes]:
    """The picture itself and its preview as PNG."""
    picture = decode(data, limits)
    shrink = min(1.0, SIDE / max(picture.width, picture.height))
    width, height = (max(1, round(side * shrink)) for side in (picture.width, picture.height))
    small = picture if shrink == 1.0 else resize(picture, width, height)
    return picture, encode(small, "PNG", keep_metadata=False)
