"""/healthz, /readyz and /metrics: for the machines that look after this one."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from frontend.catalogue import Catalogue
from frontend.metrics import Metrics


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


def router(catalogue: Catalogue, metrics: Metrics) -> APIRouter:
    """The three routes."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", summary="This process lives")
    async def healthz() -> Health:
        """Says nothing of the inference server: restarting this process would not bring that one back."""
        return Health()

    @routes.get(
        "/readyz",
        summary="A picture sent now would be enlarged",
        responses={
            503: {
                "description": "Not yet, or not any more",
                "content": {"application/json": {"example": {"error": "the inference server does not answer"}}},
            }
        },
    )
    async def readyz() -> Health:
        """Whether the inference server answers for the default model."""
        model = await catalogue.default() or await catalogue.default("sampler")
        if model is None:
            raise HTTPException(503, "there is no model")
        if await catalogue.probe(model) is None:
            raise HTTPException(503, f"the inference server does not answer for {model}", {"Retry-After": "2"})
        return Health()

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"example": "loupe_web_tiles_total 12.0\n"}}}},
    )
    async def figures() -> Response:
        """Requests by route and status, seconds, jobs running and waiting, tiles, answers from storage."""
        text = await run_in_threadpool(generate_latest, metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return routes
