"""``python -m serving``: the embedded inference server, or TorchServe, with Loupe's models.

python -m serving
python -m serving --runtime torchserve --models edsr_x4,edsr_fast_x4
"""

import logging
import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from loupe.errors import LoupeError, ModelNotFound
from loupe.registry import find_model, find_models
from serving.logs import set_up_logging
from serving.settings import ServingSettings

logger = logging.getLogger("serving")


class Runtime(StrEnum):
    """Who serves."""

    EMBEDDED = "embedded"
    TORCHSERVE = "torchserve"


class Engine(StrEnum):
    """Who computes."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"


def main(
    *,
    runtime: Annotated[
        Runtime, typer.Option(help="embedded needs no Java and takes promotions at once")
    ] = Runtime.EMBEDDED,
    host: Annotated[str | None, typer.Option(help="address to listen on; 0.0.0.0 in a container")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port, 8080 if not given")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="gRPC port, 8081 if not given")] = None,
    models: Annotated[str | None, typer.Option(help="names with commas between; all if not given")] = None,
    backend: Annotated[Engine | None, typer.Option(help="engine")] = None,
) -> None:
    """Serve Loupe's models over HTTP and gRPC until Ctrl-C."""
    set_up_logging()
    given = {
        "http_host": host,
        "http_port": port,
        "grpc_port": grpc_port,
        "serve_models": models,
        "backend": backend and backend.value,
    }
    settings = ServingSettings.model_validate({k: v for k, v in given.items() if v is not None})
    try:
        found = choose_models(settings)
        if runtime is Runtime.TORCHSERVE:
            from serving.torchserve import serve_torchserve

            serve_torchserve(list(found), settings)
        else:
            serve_embedded(found, settings)
    except LoupeError as error:
        logger.error("%s", error)
        sys.exit(error.exit_code)


def choose_models(settings: ServingSettings) -> dict[str, Path]:
    """The checkpoints of the models asked for, or of all there are, by name. Raises ModelNotFound."""
    asked = {name: find_model(name, settings) for name in settings.model_names}
    found = asked or find_models(settings)
    if not found:
        raise ModelNotFound("there is no model to serve; set LOUPE_MODELS_DIR to a folder of checkpoints")
    return found


def serve_embedded(found: dict[str, Path], settings: ServingSettings) -> None:
    """Serve in this process. KServe is imported only here: it takes seconds, and TorchServe needs none."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # read on import; else it remarks on processes that torch starts
    from serving.coalesce import open_shared
    from serving.following import Follower
    from serving.server import serve

    openers = {name: partial(open_shared, path, settings) for name, path in found.items()}
    serve(openers, settings, Follower(found, settings) if settings.reload_seconds else None)


if __name__ == "__main__":
    typer.run(main)
