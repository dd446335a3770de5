"""The embedded inference server: KServe's model server with Loupe's models in its process.

    serve({"edsr_x4": lambda: open_local("edsr_x4", settings)}, settings, follower)

Returns after SIGINT or SIGTERM.

The ports open first and answer "alive" while models load; ``/v2/health/ready`` says yes once they have.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import kserve.model_server
import uvicorn
from grpc import aio
from kserve import ModelServer
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer

from loupe.errors import CheckpointError
from loupe.ports import PortTaken, free_port, listen
from serving.following import Follower
from serving.jobs import Jobs
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.routes import add_error_handlers, add_routes
from serving.settings import ServingSettings
from serving.workers import Opener

logger = logging.getLogger(__name__)

PROBES = 16  # gRPC calls of health and metadata, beside those that infer


def serve(openers: Mapping[str, Opener], settings: ServingSettings, follower: Follower | None = None) -> None:
    """Serve models by name until SIGINT or SIGTERM; ``openers`` load them, ``follower`` changes them later.

    Raises PortTaken at once, and CheckpointError if no model can be loaded.
    """
    jobs = Jobs(running=settings.running, waiting=settings.waiting)
    metrics = Metrics(observe_share=settings.observe_share)

    def make(name: str, opener: Opener) -> Predictor:
        return Predictor(name, opener, settings, jobs, metrics)

    server = EmbeddedServer(settings, jobs, metrics)
    models = [make(name, opener) for name, opener in openers.items()]
    server.start(models, partial(follower.run, server.registered_models, make) if follower else None)


class ReadyWhenLoaded(DataPlane):  # type: ignore[misc]  # kserve is not typed
    """KServe's data plane, whose own ``ready`` is always true."""

    async def ready(self) -> bool:
        """Every model is loaded or has failed for good, and one at least is loaded."""
        models = self.model_registry.get_models().values()
        return any(model.ready for model in models) and all(model.ready or model.failure for model in models)

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """KServe's, with the version that answers now."""
        metadata = await super().model_metadata(model_name)
        version = self.get_model_from_registry(model_name).version
        return {**metadata, "versions": [version]} if version else metadata


class FixedModels(ModelRepositoryExtension):  # type: ignore[misc]  # kserve is not typed
    """No loading and unloading over the network: whoever can ask for a picture must not take a model away."""

    async def load(self, model_name: str) -> None:
        raise NotImplementedError(f"{model_name}: models are chosen when the server starts")

    async def unload(self, model_name: str) -> None:
        raise NotImplementedError(f"{model_name}: models are chosen when the server starts")


class _HTTPServer(uvicorn.Server):
    """uvicorn that leaves signals to us: it would end the process while gRPC still works."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class EmbeddedServer(ModelServer):  # type: ignore[misc]  # kserve is not typed
    """KServe's server, on one address of our choice and with ready meaning ready."""

    def __init__(self, settings: ServingSettings, jobs: Jobs, metrics: Metrics) -> None:
        kserve_logger = logging.getLogger("kserve")
        kserve_logger.setLevel(logging.ERROR)
        kserve_logger.addHandler(logging.NullHandler())  # without one KServe would set up logging of its own
        # KServe answers some of its own routes with ORJSONResponse; FastAPI says so once in every process.
        warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")
        super().__init__(http_port=settings.http_port, grpc_port=settings.grpc_port, enable_latency_logging=False)
        self.settings = settings
        self.grpc_port: int = settings.grpc_port
        self.jobs = jobs
        self.metrics = metrics
        self.dataplane = ReadyWhenLoaded(model_registry=self.registered_models)
        self.model_repository_extension = FixedModels(model_registry=self.registered_models)

    def start(self, models: Sequence[Predictor], follow: Callable[[], Awaitable[None]] | None = None) -> None:
        """Serve until SIGINT or SIGTERM; ``follow`` runs once models are loaded. Raises PortTaken at once,
        CheckpointError if no model loads.
        """
        host = self.settings.http_host
        http = listen(host, self.http_port, purpose="HTTP", choose="--port or LOUPE_HTTP_PORT")
        self.grpc_port = free_port(host, self.grpc_port, purpose="gRPC", choose="--grpc-port or LOUPE_GRPC_PORT")
        for model in models:
            self.register_model(model)
        with http:
            asyncio.run(self._serve_all(http, models, follow))

    async def _serve_all(
        self, listener: socket.socket, models: Sequence[Predictor], follow: Callable[[], Awaitable[None]] | None
    ) -> None:
        http = self._make_http()
        grpc = await self._start_grpc()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, _stop, http)
        address = "http://{}:{}".format(*listener.getsockname()[:2])
        logger.info("HTTP on %s, gRPC on %s:%d; loading models", address, self.settings.http_host, self.grpc_port)
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        loading = asyncio.create_task(self._load(models, address, http, follow))
        try:
            await serving
            if loading.done():
                loading.result()
        finally:
            loading.cancel()
            await grpc.stop(grace=None)
            await asyncio.to_thread(self.jobs.stop)

    async def _load(
        self,
        models: Sequence[Predictor],
        address: str,
        http: uvicorn.Server,
        follow: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Load one after another: together they would hold the memory of all at once, and share the cores."""
        for model in models:
            await asyncio.to_thread(model.load)
        names = [model.name for model in models if model.ready]
        if not names:
            http.should_exit = True
            raise CheckpointError(f"none of the models can be served: {', '.join(model.name for model in models)}")
        logger.info("inference server ready at %s (models: %s)", address, ", ".join(names))
        if follow:
            await follow()

    def _make_http(self) -> uvicorn.Server:
        app = kserve.model_server.app
        add_routes(app, self.registered_models, self.settings, self.jobs, self.metrics)
        RESTServer(
            "kserve.model_server:app", self.dataplane, self.model_repository_extension, self.http_port
        ).create_application()
        add_error_handlers(app)
        return _HTTPServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_keep_alive=65,  # longer than the idle time of the usual proxy, as KServe has it
                timeout_graceful_shutdown=self.settings.grace_seconds,
            )
        )

    async def _start_grpc(self) -> aio.Server:
        """KServe's servicer on our address: its own server listens on all of them and shares a taken port."""
        server = aio.server(
            interceptors=(ExceptionToStatusInterceptor(),),
            maximum_concurrent_rpcs=self.settings.running + self.settings.waiting + PROBES,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self.settings.max_request_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )
        grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
            InferenceServicer(self.dataplane, self.model_repository_extension), server
        )
        try:
            server.add_insecure_port(f"{self.settings.http_host}:{self.grpc_port}")
        except RuntimeError as error:
            raise PortTaken(f"port {self.grpc_port} for gRPC cannot be used: {error}") from error
        await server.start()
        return server


def _stop(http: uvicorn.Server) -> None:
    """First signal: finish what is at work, within the grace. Second: now."""
    http.force_exit = http.should_exit
    http.should_exit = True
