"""The page itself, as Vite built it, and the API's documentation; nothing comes from another host."""

import importlib.util
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

DIST = Path(__file__).parent.parent / "web" / "dist"
DOCS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Loupe: the API</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="docs">This page needs JavaScript; <a href="/openapi.json">openapi.json</a> holds the same.</div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
START = "SwaggerUIBundle({url: '/openapi.json', dom_id: '#docs', deepLinking: true, tryItOutEnabled: true});\n"


class Built(StaticFiles):
    """Vite's files: those in assets/ are named by a hash and never change; the rest is asked for anew."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        lasting = path.startswith("assets/") and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response


def add_pages(app: FastAPI) -> None:
    """Mount documentation and page; the page comes last, for it answers everything that is left."""
    docs = APIRouter(include_in_schema=False)

    @docs.get("/docs")
    async def page() -> HTMLResponse:
        return HTMLResponse(DOCS)

    @docs.get("/docs/start.js")
    async def start() -> Response:
        return Response(START, media_type="text/javascript")

    @docs.get("/docs/{name}")
    async def asset(name: str) -> FileResponse:
        # fastapi-offline carries Swagger UI's files; its page has inline scripts, which our policy forbids.
        found = importlib.util.find_spec("fastapi_offline")
        if name not in {"swagger-ui.css", "swagger-ui-bundle.js"} or found is None or found.origin is None:
            raise HTTPException(404, "there is no such file")
        return FileResponse(Path(found.origin).parent / "static" / name, headers={"Cache-Control": "max-age=86400"})

    app.include_router(docs)
    app.mount("/", Built(directory=DIST, html=True), name="page")
