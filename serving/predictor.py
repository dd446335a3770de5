"""The KServe model: one loaded network behind KServe's model server, over HTTP and gRPC.

    jobs, metrics = Jobs(running=2, waiting=32), Metrics()
    model = Predictor("edsr_x4", lambda: open_local("edsr_x4", settings), settings, jobs, metrics)

Not ready until ``load()`` has returned. With what is remote the same class is the transformer.
"""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial

import kserve
from kserve import InferRequest, InferResponse

from loupe.checkpoint import require_kind
from loupe.drawing import Bytes, OnRows
from loupe.errors import BackendUnavailable, Cancelled, LoupeError, Overloaded
from loupe.images import Picture, encode
from loupe.ndjson import Event
from loupe.open_inference import TILE_HEADER
from serving.contract import Answer, MalformedRequest, Request, build_answer
from serving.draw import Drawer
from serving.enlarge import Outcome
from serving.grpc_contract import grpc_error, read_grpc, write_grpc
from serving.jobs import Jobs
from serving.metrics import Metrics
from serving.options import ReadOptions
from serving.settings import ServingSettings
from serving.workers import Opener, Worker, make_worker

logger = logging.getLogger(__name__)

LOADING_SECONDS = 2.0  # Retry-After while a model loads
HEARTBEAT_SECONDS = 1.0  # between two lines of a stream: whoever reads them can cancel, and proxies see life


class Predictor(kserve.Model):  # type: ignore[misc]  # kserve is not typed
    """One model. All models of a process share its jobs, so that their sum is bounded."""

    def __init__(
        self,
        name: str,
        open_model: Opener,
        settings: ServingSettings,
        jobs: Jobs,
        metrics: Metrics,
    ) -> None:
        super().__init__(name)
        self.settings = settings
        self.ready: bool = False
        self.failure: LoupeError | None = None
        self._open_model = open_model
        self._worker: Worker | None = None
        self._jobs = jobs
        self._metrics = metrics

    def load(self) -> bool:
        """Open the model and be ready. An error of the checkpoint is kept in ``failure``: others go on.

        A remote backend that is not up yet is waited for, until the jobs are stopped.
        """
        while not self.ready and self.failure is None:
            try:
                self._worker = make_worker(self.name, self._open_model(), self.settings)
                self.ready = True
            except (BackendUnavailable, Overloaded) as error:
                logger.info("%s: %s", self.name, error)
                if self._jobs.stopping.wait(LOADING_SECONDS):
                    self.failure = error
            except LoupeError as error:
                self.failure = error
                logger.error("%s cannot be served: %s", self.name, error)
        return bool(self.ready)

    def swap(self, open_model: Opener) -> None:
        """Open another checkpoint beside the one that serves, try it, and let it take over; requests at work end on
        the old one, which is then freed. Raises what opening raises, and the old one goes on.
        """
        worker = make_worker(self.name, open_model(), self.settings)
        worker.try_out()
        self._worker = worker
        self.failure, self.ready = None, True

    @property
    def version(self) -> str | None:
        """The version that answers now, or None while there is none."""
        return self._worker.card.version if self._worker else None

    @property
    def read_options(self) -> ReadOptions:
        """How this model's options are read. Raises Overloaded while it loads."""
        return self._loaded().read_options

    def start(self) -> None:
        """Nothing: KServe's own would say ready before anything is loaded."""

    def get_input_types(self) -> list[dict[str, object]]:
        return [{"name": "image", "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, object]]:
        if isinstance(self._worker, Drawer):
            return [{"name": name, "datatype": "BYTES", "shape": [-1, -1]} for name in ("image", "entropy")]
        return [{"name": "image", "datatype": "BYTES", "shape": [-1]}]

    async def predict(
        self,
        payload: Request | InferRequest,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,  # noqa: ARG002  # KServe's signature
    ) -> Answer | InferResponse:
        """From ``serving/routes.py`` a Request; from KServe's gRPC servicer its InferRequest.

        Raises LoupeError for the first, GrpcException for the second.
        """
        whole = TILE_HEADER not in (headers or {})
        if isinstance(payload, Request):
            return await self._answer(payload, whole)
        start, status = time.perf_counter(), Cancelled.status
        try:
            response = await self._answer_grpc(payload, whole)
            status = 200
        except LoupeError as error:
            status = error.status
            raise grpc_error(error) from error
        finally:
            self._metrics.count_request(self.name, status, time.perf_counter() - start)
        return response

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        """A drawing as it is made: ``row`` events, ``waiting`` where nothing has come for a while, and last an
        ``answer``, which is the v2 one. Raises what cannot be drawn; closing it stops the work.
        """
        worker = self._loaded()
        require_kind(self.name, worker.card.kind, "sampler")
        if len(request.items) != 1:
            raise MalformedRequest(f"inputs: got {len(request.items)} pictures, expected one where rows are streamed")
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Event | None]()

        def on_row(y: int, row: Bytes) -> None:
            image = base64.b64encode(encode(Picture(color=row), "PNG")).decode()
            loop.call_soon_threadsafe(events.put_nowait, {"type": "row", "y": y, "image": image})

        def work(cancelled: Callable[[], bool]) -> Answer:
            outcome = self._work(worker, request, cancelled, whole=True, on_row=on_row)
            if isinstance(outcome.results[0], LoupeError):
                raise outcome.results[0]
            return build_answer(request, outcome.results, worker.card)

        with self._metrics.in_flight.labels(self.name).track_inprogress():
            drawing = asyncio.ensure_future(self._jobs.run(work))
            drawing.add_done_callback(lambda _: events.put_nowait(None))
            try:
                while True:
                    try:
                        event = await asyncio.wait_for(events.get(), HEARTBEAT_SECONDS)
                    except TimeoutError:
                        event = {"type": "waiting"}
                    if event is None:
                        break
                    yield event
                yield {"type": "answer", **json.loads(drawing.result().body)}
            finally:
                drawing.cancel()

    async def _answer(self, request: Request, whole: bool) -> Answer:
        worker = self._loaded()

        def work(cancelled: Callable[[], bool]) -> Answer:
            return build_answer(request, self._work(worker, request, cancelled, whole).results, worker.card)

        with self._metrics.in_flight.labels(self.name).track_inprogress():
            return await self._jobs.run(work)

    async def _answer_grpc(self, message: InferRequest, whole: bool) -> InferResponse:
        worker = self._loaded()
        request = read_grpc(message, max_items=self.settings.max_items, read=worker.read_options)
        with self._metrics.in_flight.labels(self.name).track_inprogress():
            outcome = await self._jobs.run(lambda cancelled: self._work(worker, request, cancelled, whole))
        if len(outcome.results) == 1 and isinstance(outcome.results[0], LoupeError):
            raise outcome.results[0]
        return write_grpc(request, outcome.results, worker.card)

    def _work(
        self,
        worker: Worker,
        request: Request,
        cancelled: Callable[[], bool],
        whole: bool,
        on_row: OnRows | None = None,
    ) -> Outcome:
        if isinstance(worker, Drawer):
            outcome = worker.run(request, cancelled=cancelled, on_row=on_row)
        else:
            outcome = worker.run(
                request,
                cancelled=cancelled,
                on_tiles=self._metrics.tiles.labels(self.name).inc,
                on_picture=partial(self._metrics.observer.offer, self.name) if whole else None,
            )
        self._metrics.count_pixels(self.name, outcome)
        return outcome

    def _loaded(self) -> Worker:
        if self.failure is not None:
            raise self.failure
        if self._worker is None:
            raise Overloaded(f"{self.name} is still loading", retry_after=LOADING_SECONDS)
        return self._worker
