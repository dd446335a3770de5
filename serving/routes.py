"""The HTTP side of the contract on KServe's FastAPI app: v2 infer, whole or as a stream, v1 predict and raw bytes.

v2 and v1 stand before KServe's own, which copy each picture through several lists, answer 500 to
``{"inputs": []}``, know no limit, and work on when the client has gone. All others are KServe's.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import FastAPI
from kserve import ModelRepository, errors
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from loupe.errors import Cancelled, LoupeError, ModelNotFound, PictureTooLarge
from loupe.ndjson import HEADERS, MEDIA_TYPE, Event, send_events
from loupe.open_inference import STREAM
from serving import contract
from serving.contract import Answer
from serving.jobs import Budget, Jobs
from serving.metrics import Metrics
from serving.options import ReadOptions
from serving.predictor import Predictor
from serving.settings import ServingSettings

logger = logging.getLogger(__name__)
T = TypeVar("T")

INLINE_BYTES = 1 << 20  # up to here parsing takes less than a millisecond or two, and a thread is not worth it
KSERVE_STATUS: dict[type[Exception], int] = {
    errors.ModelNotFound: 404,
    errors.ModelNotReady: 503,
    errors.ServerNotReady: 503,
    NotImplementedError: 501,
}
BINARY_HEADER = "inference-header-content-length"


def add_routes(app: FastAPI, models: ModelRepository, settings: ServingSettings, jobs: Jobs, metrics: Metrics) -> None:
    """Put the contract's routes on ``app``. Call before KServe adds its own."""

    def parse(protocol: str, body: bytes, query: Mapping[str, str], read: ReadOptions) -> contract.Request:
        if protocol == "raw":
            return contract.parse_raw(body, query, read=read)
        parse_as = contract.parse_v2 if protocol == "v2" else contract.parse_v1
        return parse_as(contract.load_json(body), max_items=settings.max_items, read=read)

    budget = Budget(max(settings.max_waiting_bytes, settings.max_request_bytes), jobs)

    async def infer(protocol: str, name: str, http: HTTPRequest) -> Answer:
        with budget.share() as take:
            body = await read_body(http, settings.max_request_bytes, take)
            model, request = await understand(protocol, name, http, body)
            answer, _ = await while_connected(http, model(request, headers=dict(http.headers)))
            return answer  # type: ignore[no-any-return]  # kserve is not typed

    async def told(name: str, events: AsyncGenerator[Event], start: float) -> AsyncGenerator[Event]:
        status = Cancelled.status
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
            status = 200
        except LoupeError as error:
            status = error.status
            raise
        finally:
            metrics.count_request(label(name), status, time.perf_counter() - start)

    async def understand(
        protocol: str, name: str, http: HTTPRequest, body: bytes
    ) -> tuple[Predictor, contract.Request]:
        model = models.get_model(name)
        if model is None:
            raise ModelNotFound(f"no model {name!r}; there are {', '.join(models.get_models())}")
        if BINARY_HEADER in http.headers:
            raise contract.MalformedRequest("binary tensors are not read here; send base64 in 'data', or use gRPC")
        arguments = protocol, body, http.query_params, model.read_options
        if len(body) <= INLINE_BYTES:
            return model, parse(*arguments)
        return model, await asyncio.to_thread(parse, *arguments)

    def label(name: str) -> str:
        return name if name in models.get_models() else "unknown"

    async def respond(protocol: str, name: str, http: HTTPRequest) -> Response:
        start, status = time.perf_counter(), 500
        try:
            try:
                answer = await infer(protocol, name, http)
            except LoupeError as error:
                answer = contract.error_answer(error)
            status = answer.status
        finally:
            metrics.count_request(label(name), status, time.perf_counter() - start)
        return Response(answer.body, answer.status, answer.headers, answer.media_type)

    async def infer_v2(model_name: str, request: HTTPRequest) -> Response:
        """Enlarge pictures, or draw from sketches; Open Inference Protocol."""
        return await respond("v2", model_name, request)

    async def infer_stream(model_name: str, request: HTTPRequest) -> Response:
        """Draw from one sketch, and tell of each row: the body of infer, answered in lines of JSON."""
        start = time.perf_counter()
        try:
            with budget.share() as take:
                body = await read_body(request, settings.max_request_bytes, take)  # all of it, before events are sent
            model, parsed = await understand("v2", model_name, request, body)
        except LoupeError as error:
            metrics.count_request(label(model_name), error.status, time.perf_counter() - start)
            answer = contract.error_answer(error)
            return Response(answer.body, answer.status, answer.headers, answer.media_type)
        return EventStream(told(model_name, model.stream(parsed), start))

    async def predict_v1(model_name: str, request: HTTPRequest) -> Response:
        """Enlarge pictures, or draw from sketches; v1 protocol."""
        return await respond("v1", model_name, request)

    async def predict_raw(model_name: str, request: HTTPRequest) -> Response:
        """Enlarge one picture: its bytes in, the result's bytes out; options in the query. TorchServe's route."""
        return await respond("raw", model_name, request)

    app.add_api_route("/predictions/{model_name}", predict_raw, methods=["POST"], response_model=None)
    app.add_api_route("/v2/models/{model_name}/infer", infer_v2, methods=["POST"], response_model=None)
    app.add_api_route(f"/v2/models/{{model_name}}/infer{STREAM}", infer_stream, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models/{model_name}:predict", predict_v1, methods=["POST"], response_model=None)


class EventStream(Response):
    """Lines of JSON as they come; see ``loupe/ndjson.py``."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[Event]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refuse(error: LoupeError) -> None:
            answer = contract.error_answer(error)
            await Response(answer.body, answer.status, answer.headers, answer.media_type)(scope, receive, send)

        await send_events(self._events, receive, send, headers=self.raw_headers, refuse=refuse)


def add_error_handlers(app: FastAPI) -> None:
    """Errors of the other routes in the contract's form. Call after KServe has added its own handlers.

    KServe's log a traceback each time, which is every probe while models load.
    """

    async def answer(_: HTTPRequest, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)
        return JSONResponse({"error": str(error)}, KSERVE_STATUS[type(error)])

    kinds: list[type[Exception]] = [HTTPException, *KSERVE_STATUS]
    for kind in kinds:
        app.add_exception_handler(kind, answer)


async def read_body(http: HTTPRequest, limit: int, take: Callable[[int], None]) -> bytes:
    """The body. Raises PictureTooLarge beyond ``limit`` bytes, and what ``take`` raises for bytes that come.

    What is refused is read on and dropped for a while: many clients only listen once they have sent all.
    """
    declared = int(http.headers.get("content-length", "0"))
    chunks: list[bytes] = []
    size = 0

    def admit(count: int) -> LoupeError | None:
        if max(size, declared) > limit:
            return PictureTooLarge(f"the request is larger than {limit} bytes")
        try:
            take(count)
        except LoupeError as error:
            return error
        return None

    refusal = admit(declared)
    if refusal and "expect" in http.headers:
        raise refusal  # this client asked before sending
    try:
        async for chunk in http.stream():
            size += len(chunk)
            if refusal is None and size > declared:
                refusal = admit(len(chunk))
            if refusal is None:
                chunks.append(chunk)
            elif size > 4 * limit:
                break
    except ClientDisconnect as error:
        raise Cancelled("the client went away while it sent") from error
    if refusal:
        raise refusal
    return b"".join(chunks)


async def while_connected(http: HTTPRequest, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``; cancel it when the client goes away, and raise Cancelled. Read the body first."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnected(http.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Cancelled("the client went away")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def disconnected(receive: Receive) -> None:
    """Return when the connection has closed."""
    while (await receive())["type"] != "http.disconnect":
        pass
