"""GET /api/models: what one can choose from."""

from fastapi import APIRouter
from pydantic import BaseModel

from frontend.catalogue import Catalogue, Model
from frontend.settings import WebSettings
from loupe.choosing import TEMPERATURES
from loupe.settings import DrawingLimits, Limits

EXAMPLE = {
    "models": [
        {
            "name": "edsr_x4",
            "kind": "enlarger",
            "scale": 4,
            "summary": "EDSR-baseline: 16 residual blocks, 64 features",
            "parameters": 1518000,
            "metrics": {"set5_psnr_y": 32.0},
            "license": "Apache-2.0",
            "version": "1",
            "ready": True,
            "default": True,
        }
    ],
    "limits": {"max_bytes": 67108864, "max_pixels_in": 64000000, "max_pixels_out": 400000000},
    "drawing": {"max_cells": 16, "max_samples": 8, "temperatures": [0.1, 2.0]},
}


class Drawing(DrawingLimits):
    """What one may ask of /api/draw; the inference server has the last word."""

    temperatures: tuple[float, float] = TEMPERATURES


class Models(BaseModel):
    """The models, by factor and the best of each first, what a picture may be, and what may be drawn."""

    models: list[Model]
    limits: Limits
    drawing: Drawing


def router(settings: WebSettings, catalogue: Catalogue) -> APIRouter:
    """The route, over the models on offer."""
    routes = APIRouter(tags=["models"])

    @routes.get(
        "/api/models",
        summary="The models and the limits",
        responses={200: {"content": {"application/json": {"example": EXAMPLE}}}},
    )
    async def models() -> Models:
        """`ready` is asked of the inference server now (and believed for three seconds)."""
        drawing = Drawing(**settings.drawing.model_dump())
        return Models(models=await catalogue.models(), limits=settings.limits, drawing=drawing)

    return routes
