"""POST /api/upscale: a picture in, a stream of progress out, and last the address of the larger picture."""

from typing import Any

from fastapi import APIRouter, Request

from frontend.catalogue import Catalogue
from frontend.events import EventStream
from frontend.options import Options, read_options
from frontend.uploads import read_upload
from frontend.work import Desk, Order, enlarge
from loupe.errors import ModelNotFound

STREAM = """\
{"type":"waiting","ahead":1}
{"type":"progress","done":1,"total":12}
{"type":"progress","done":12,"total":12}
{"type":"result","url":"/api/results/4f1c...","cached":false,"width":1280,"height":960,"input_width":320,\
"input_height":240,"format":"PNG","media_type":"image/png","bytes":1843200,"model":"edsr_x4","version":"1",\
"scale":4,"seconds":2.41,"tiles":12,"notes":[]}
"""
ERRORS = {
    400: ("Not a picture", "not a picture that Loupe can read"),
    404: ("No such model", "no model called 'edsr_x9'; there are edsr_x2, edsr_x4"),
    413: ("Too large", "the file is larger than 64 MB; save it smaller or as JPEG"),
    422: ("Bad option", "quality: got '101', input should be less than or equal to 100"),
    502: ("Inference server down", "No answer from the inference server at http://127.0.0.1:8080"),
    503: ("Full; Retry-After says when to come back", "all places are taken; try again in a few seconds"),
}


def router(desk: Desk, catalogue: Catalogue) -> APIRouter:
    """The route, over a desk to work at and the models on offer."""
    routes = APIRouter(tags=["pictures"])

    @routes.post(
        "/api/upscale",
        summary="Enlarge a picture",
        response_class=EventStream,
        responses=_responses(),
        openapi_extra={"requestBody": _form()},
    )
    async def upscale(request: Request) -> EventStream:
        """Answers NDJSON: a line of JSON for each event, as it happens. A dropped connection stops the work.

            curl -N -F file=@photo.jpg -F model=edsr_x4 http://127.0.0.1:8000/api/upscale

        Errors known before the first event have their own HTTP status and are `{"error": "..."}`; later ones
        are a last line `{"type": "error", "status": 502, "error": "..."}`. The same picture with the same
        model and options is answered from storage at once (`"cached": true`).
        """
        upload = await read_upload(request, desk.settings.limits)
        fields = dict(upload.fields)
        model = fields.pop("model", "") or await catalogue.default()
        if model is None:
            raise ModelNotFound("there is no model to enlarge with; put a checkpoint into LOUPE_MODELS_DIR")
        options = read_options(fields)
        await catalogue.check(model)
        return EventStream(enlarge(Order(data=upload.data, model=model, options=options), desk))

    return routes


def _form() -> dict[str, Any]:
    """The multipart form as OpenAPI."""
    properties: dict[str, Any] = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "PNG, JPEG, WebP, TIFF, GIF, BMP, AVIF",
        },
        "model": {"type": "string", "description": "a name of /api/models; the default one if absent"},
    }
    properties |= Options.model_json_schema()["properties"]
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _responses() -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "Events, one JSON object a line",
            "content": {"application/x-ndjson": {"example": STREAM}},
        }
    }
    for status, (what, said) in ERRORS.items():
        answers[status] = {"description": what, "content": {"application/json": {"example": {"error": said}}}}
    return answers
