"""KServe's transformer: whole photos in, small tiles on to a predictor, whole photos out.

    python -m serving.transformer --model_name edsr_x4 --predictor_host edsr-x4-predictor:80

The predictor, of any runtime that keeps the contract, only ever sees tiles: its memory is bounded whatever
the photo, and its batches are filled by the tiles of many users. KServe's controller gives the arguments.
"""

import logging
import sys
from functools import partial
from typing import Annotated

import typer

from loupe.errors import LoupeError
from loupe.remote import RemoteBackend
from loupe.remote_artist import RemoteArtist, ask_kind
from loupe.upscale import Upscaler
from serving.logs import set_up_logging
from serving.settings import ServingSettings
from serving.workers import Engine

logger = logging.getLogger(__name__)


def main(
    *,
    model_name: Annotated[str, typer.Option("--model_name", help="the name under which to serve")],
    predictor_host: Annotated[str, typer.Option("--predictor_host", help="host:port, or a URL")],
    predictor_model: Annotated[
        str | None, typer.Option(help="the model's name at the predictor, if it is another")
    ] = None,
    http_port: Annotated[int | None, typer.Option("--http_port")] = None,
    host: Annotated[str, typer.Option(help="address to listen on")] = "0.0.0.0",  # noqa: S104  # a pod's own
) -> None:
    """Serve one model whose tiles a predictor enlarges, until SIGTERM."""
    set_up_logging()
    given = {"http_host": host} | ({} if http_port is None else {"http_port": http_port})
    settings = ServingSettings(**given)  # type: ignore[arg-type]
    try:
        serve_transformer(model_name, predictor_model or model_name, predictor_host, settings)
    except LoupeError as error:
        logger.error("%s", error)
        sys.exit(error.exit_code)


def serve_transformer(name: str, model: str, predictor_host: str, settings: ServingSettings) -> None:
    """Serve ``name`` over ``model`` at the predictor; ready once the predictor is."""
    from serving.server import serve

    url = predictor_host if "://" in predictor_host else f"http://{predictor_host}"
    serve({name: partial(open_remote, model, url, settings)}, settings)


def open_remote(model: str, url: str, settings: ServingSettings) -> Engine:
    """``model`` at a predictor: what enlarges gets tiles that are cut here, what draws gets whole sketches. Raises as
    ``loupe.remote.RemoteBackend``.
    """
    if ask_kind(url, model) == "sampler":
        return RemoteArtist(url, model)
    backend = RemoteBackend(url, model)
    return Upscaler(backend, tile=settings.remote_tile, workers=settings.remote_workers, limits=settings.limits)


if __name__ == "__main__":
    typer.run(main)
