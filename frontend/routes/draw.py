"""POST /api/draw: a sketch of a few cells in, rows of several pictures as they are drawn, and last their addresses."""

from typing import Any

from fastapi import APIRouter, Request

from frontend.catalogue import Catalogue
from frontend.drawing import Order, draw
from frontend.events import EventStream
from frontend.routes.upscale import ERRORS
from frontend.uploads import read_upload
from frontend.work import Desk
from loupe.drawing import DrawOptions, read_draw_options
from loupe.errors import ModelNotFound

STREAM = """\
{"type":"waiting","ahead":1}
{"type":"row","y":0,"width":32,"height":32,"image":"iVBORw0KGgo..."}
{"type":"row","y":31,"width":32,"height":32,"image":"iVBORw0KGgo..."}
{"type":"result","cached":false,"model":"pixel_recursive_faces","version":"1","scale":4,"width":32,"height":32,\
"temperature":1.0,"top_p":1.0,"seconds":1.9,"pictures":[{"seed":3,"url":"/api/results/4f1c...",\
"entropy_url":"/api/results/93ab..."}]}
"""
OPTION = "temperature: got '7', expected 0.1 to 2.0"
FILES = {
    "file": "the sketch: a picture of at most 16x16 pixels, each of them a cell",
    "given": "a picture of the size that is drawn, whose opaque pixels are kept; or its upper part",
    "mask": "of that size too: where it is light, `given` is kept",
}


def router(desk: Desk, catalogue: Catalogue) -> APIRouter:
    """The route, over a desk to work at and the models on offer."""
    routes = APIRouter(tags=["pictures"])

    @routes.post(
        "/api/draw",
        summary="Draw pictures that fit a sketch",
        response_class=EventStream,
        responses=_responses(),
        openapi_extra={"requestBody": _form()},
    )
    async def draw_route(request: Request) -> EventStream:
        """Answers NDJSON: a line of JSON for each event, as it happens. A dropped connection stops the work.

            curl -N -F file=@sketch.png -F samples=6 -F seed=3 http://127.0.0.1:8000/api/draw

        A `row` has one PNG as wide as the pictures, whose line k is row `y` of the picture with seed `seed` + k. It may
        begin anew from 0 where the inference server had to be asked again; behind TorchServe there are none. What is
        drawn is invented: faces are nobody's. Entropy is a gray PNG, ten levels a bit.
        Errors are told as by `/api/upscale`; the same seed of the same sketch is answered from storage.
        """
        upload = await read_upload(request, desk.settings.limits, others=("given", "mask"))
        fields = {name: value.strip() for name, value in upload.fields.items() if value.strip()}
        model = fields.pop("model", "") or await catalogue.default("sampler")
        if model is None:
            raise ModelNotFound("there is no model that draws; put a checkpoint into LOUPE_MODELS_DIR")
        options = read_draw_options(fields)
        await catalogue.check(model, "sampler")
        order = Order(sketch=upload.data, model=model, options=options, **upload.others)
        return EventStream(draw(order, desk))

    return routes


def _form() -> dict[str, Any]:
    """The multipart form as OpenAPI."""
    properties: dict[str, Any] = {
        name: {"type": "string", "format": "binary", "description": said} for name, said in FILES.items()
    }
    properties["model"] = {"type": "string", "description": "one that draws, of /api/models; the default one if absent"}
    properties |= DrawOptions.model_json_schema()["properties"]
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _responses() -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "Events, one JSON object a line",
            "content": {"application/x-ndjson": {"example": STREAM}},
        }
    }
    for status, (what, said) in (ERRORS | {422: ("Bad option", OPTION)}).items():
        answers[status] = {"description": what, "content": {"application/json": {"example": {"error": said}}}}
    return answers
