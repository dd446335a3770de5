"""The KServe model: one loaded network behind KServe's model server, over HTTP and gRPC.

    jobs, metrics = Jobs(running=2, waiting=32), Metrics()
    model = Predictor("edsr_x4", lambda: open_local("edsr_x4", settings), settings, jobs, metrics)

Not ready until ``load()`` has returned. With a Remote backend the same class is the transformer.
"""

import logging
import time
from collections.abc import Callable
from functools import partial

import kserve
import numpy as np
from kserve import InferRequest, InferResponse

from loupe.errors import BackendUnavailable, Cancelled, LoupeError, Overloaded
from loupe.open_inference import TILE_HEADER
from loupe.upscale import Upscaler
from serving.contract import Answer, Request, build_answer
from serving.enlarge import Enlarger, Outcome
from serving.grpc_contract import grpc_error, read_grpc, write_grpc
from serving.jobs import Jobs
from serving.metrics import Metrics
from serving.settings import ServingSettings

logger = logging.getLogger(__name__)

LOADING_SECONDS = 2.0  # Retry-After while a model loads
TRIAL = (16, 16)  # pixels on which a checkpoint shows that it computes, before it takes over


class Predictor(kserve.Model):  # type: ignore[misc]  # kserve is not typed
    """One model. All models of a process share its jobs, so that their sum is bounded."""

    def __init__(
        self,
        name: str,
        open_model: Callable[[], Upscaler],
        settings: ServingSettings,
        jobs: Jobs,
        metrics: Metrics,
    ) -> None:
        super().__init__(name)
        self.settings = settings
        self.ready: bool = False
        self.failure: LoupeError | None = None
        self._open_model = open_model
        self._enlarger: Enlarger | None = None
        self._jobs = jobs
        self._metrics = metrics

    def load(self) -> bool:
        """Open the model and be ready. An error of the checkpoint is kept in ``failure``: others go on.

        A remote backend that is not up yet is waited for, until the jobs are stopped.
        """
        while not self.ready and self.failure is None:
            try:
                self._enlarger = Enlarger(self.name, self._open_model())
                self.ready = True
            except (BackendUnavailable, Overloaded) as error:
                logger.info("%s: %s", self.name, error)
                if self._jobs.stopping.wait(LOADING_SECONDS):
                    self.failure = error
            except LoupeError as error:
                self.failure = error
                logger.error("%s cannot be served: %s", self.name, error)
        return bool(self.ready)

    def swap(self, open_model: Callable[[], Upscaler]) -> None:
        """Open another checkpoint beside the one that serves, try it, and let it take over; requests at work end on
        the old one, which is then freed. Raises what opening raises, and the old one goes on.
        """
        upscaler = open_model()
        upscaler.backend(np.zeros((1, 3, *TRIAL), np.float32))
        self._enlarger = Enlarger(self.name, upscaler)
        self.failure, self.ready = None, True

    @property
    def version(self) -> str | None:
        """The version that answers now, or None while there is none."""
        return self._enlarger.card.version if self._enlarger else None

    def start(self) -> None:
        """Nothing: KServe's own would say ready before anything is loaded."""

    def get_input_types(self) -> list[dict[str, object]]:
        return [{"name": "image", "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, object]]:
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

    async def _answer(self, request: Request, whole: bool) -> Answer:
        enlarger = self._loaded()

        def work(cancelled: Callable[[], bool]) -> Answer:
            return build_answer(request, self._enlarge(enlarger, request, cancelled, whole).results, enlarger.card)

        with self._metrics.in_flight.labels(self.name).track_inprogress():
            return await self._jobs.run(work)

    async def _answer_grpc(self, message: InferRequest, whole: bool) -> InferResponse:
        enlarger = self._loaded()
        request = read_grpc(message, max_items=self.settings.max_items)
        with self._metrics.in_flight.labels(self.name).track_inprogress():
            outcome = await self._jobs.run(lambda cancelled: self._enlarge(enlarger, request, cancelled, whole))
        if len(outcome.results) == 1 and isinstance(outcome.results[0], LoupeError):
            raise outcome.results[0]
        return write_grpc(request, outcome.results, enlarger.card)

    def _enlarge(self, enlarger: Enlarger, request: Request, cancelled: Callable[[], bool], whole: bool) -> Outcome:
        outcome = enlarger.run(
            request,
            cancelled=cancelled,
            on_tiles=self._metrics.tiles.labels(self.name).inc,
            on_picture=partial(self._metrics.observer.offer, self.name) if whole else None,
        )
        self._metrics.count_pixels(self.name, outcome)
        return outcome

    def _loaded(self) -> Enlarger:
        if self.failure is not None:
            raise self.failure
        if self._enlarger is None:
            raise Overloaded(f"{self.name} is still loading", retry_after=LOADING_SECONDS)
        return self._enlarger
