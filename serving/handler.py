"""The TorchServe handler: rows in, rows out; every picture's life is ``serving/enlarge.py``'s.

TorchServe imports this file from the archive; ``loupe`` and ``serving`` are installed beside TorchServe. It
takes raw bytes, v1 and v2 bodies on all of TorchServe's routes, in batches of any mixture (TorchServe's own
envelopes read the first row only). A row that fails gets its own status; an exception would fail the batch.
"""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from ts.context import Context
from ts.metrics.metric_type_enum import MetricTypes
from ts.torch_handler.base_handler import BaseHandler

from loupe.errors import LoupeError, NotAPicture
from serving import contract
from serving.coalesce import open_local
from serving.contract import Answer, build_answer, error_answer
from serving.enlarge import Outcome
from serving.options import ReadOptions, parse_options
from serving.settings import ServingSettings
from serving.workers import make_worker

logger = logging.getLogger(__name__)

BODY_KEYS = (
    "body",
    "data",
)  # TorchServe's names for a request's body; other keys are further fields of a multipart form


class PictureHandler(BaseHandler):  # type: ignore[misc]  # torchserve is not typed
    """One model in one worker process of TorchServe."""

    def initialize(self, context: Context) -> None:
        """Load the checkpoint that lies in the archive. Raises CheckpointError: the worker never gets READY."""
        name, gpu = context.manifest["model"]["modelName"], context.system_properties.get("gpu_id")
        if gpu is not None and torch.cuda.is_available():
            torch.cuda.set_device(gpu)  # TorchServe gives each worker one
        self.settings = ServingSettings(models_dir=context.system_properties["model_dir"])
        self.worker = make_worker(name, open_local(name, self.settings), self.settings)
        self.initialized = True

    def handle(self, data: list[dict[str, Any]], context: Context) -> list[bytes]:
        """One answer for each row, in order. Rows are worked on at once, so that their tiles share batches."""
        with ThreadPoolExecutor(len(data), thread_name_prefix="row") as pool:
            futures = [pool.submit(self._answer, row) for row in data]
        bodies = []
        for index, future in enumerate(futures):
            if error := future.exception():  # a defect, or no memory: this row's alone all the same
                logger.error("a request failed", exc_info=error)
                answer = error_answer(LoupeError(f"the server failed: {type(error).__name__}"))
            else:
                answer, outcome, seconds = future.result()
                self._report(context, answer, outcome, seconds)
            bodies.append(answer.body)
            context.set_response_status(answer.status, "", index)
            context.set_response_content_type(index, answer.media_type)
            for name, value in answer.headers.items():
                context.set_response_header(index, name, value)
        return bodies

    def _answer(self, row: Mapping[str, Any]) -> tuple[Answer, Outcome, float]:
        start, outcome = time.perf_counter(), Outcome()
        try:
            request = read_row(row, self.settings, self.worker.read_options)
            # TorchServe does not say that a client has gone, so nothing is ever cancelled here.
            outcome = self.worker.run(request, cancelled=lambda: False)
            answer = build_answer(request, outcome.results, self.worker.card)
        except LoupeError as error:
            answer = error_answer(error)
        return answer, outcome, time.perf_counter() - start

    def _report(self, context: Context, answer: Answer, outcome: Outcome, seconds: float) -> None:
        """The metrics of ``serving/metrics.py``, as far as TorchServe has them; see ``metrics.yaml``."""
        model, cache = self.worker.name, context.metrics

        def add(name: str, value: float, *labels: str, kind: MetricTypes = MetricTypes.COUNTER) -> None:
            cache.get_metric(name, kind).add_or_update(value, [model, *labels])

        add("loupe_requests_total", 1, str(answer.status))
        add("loupe_request_seconds", round(seconds, 6), kind=MetricTypes.HISTOGRAM)
        if outcome.pixels_out:
            add("loupe_tiles_total", outcome.tiles)
            add("loupe_megapixels_total", outcome.pixels_in / 1e6, "in")
            add("loupe_megapixels_total", outcome.pixels_out / 1e6, "out")


def read_row(row: Mapping[str, Any], settings: ServingSettings, read: ReadOptions = parse_options) -> contract.Request:
    """Which of the contract's three forms a row has, by what is in it. Raises as the contract's parsers do."""
    body = next((row[key] for key in BODY_KEYS if row.get(key)), None)
    if body is None:
        raise NotAPicture(
            "the body is empty, expected a picture or JSON; TorchServe drops it where the Content-Type is that of "
            "a web form, which is curl's default: send image/png or application/octet-stream"
        )
    if isinstance(body, str):  # TorchServe decodes text/*
        body = body.encode()
    if isinstance(body, bytes | bytearray) and body.lstrip()[:1] == b"{":
        body = contract.load_json(body)
    if isinstance(body, bytes | bytearray):
        options = {key: as_text(value) for key, value in row.items() if key not in BODY_KEYS}
        return contract.parse_raw(bytes(body), options, read=read)
    if not isinstance(body, dict):
        raise contract.MalformedRequest(f"got a JSON {type(body).__name__}, expected an object")
    if "instances" in body:
        return contract.parse_v1(body, max_items=settings.max_items, read=read)
    return contract.parse_v2(body, max_items=settings.max_items, read=read)


def as_text(value: object) -> object:
    """A field of a form, which TorchServe hands over as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else value
