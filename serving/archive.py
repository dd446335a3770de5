"""TorchServe's archives and the folder it serves from, which a KServe ``storageUri`` can point at.

python -m serving.archive --model edsr_light_x4 --output build/torchserve --mounted-at /mnt/models

build/torchserve/config/config.properties       addresses, limits, batches
build/torchserve/config/metrics.yaml            what /metrics shows
build/torchserve/model-store/edsr_light_x4.mar  the checkpoint and the handler
"""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from loupe.checkpoint import CheckpointInfo, load_model
from loupe.errors import LoupeError, StorageError
from loupe.registry import find_model
from serving.settings import ServingSettings

logger = logging.getLogger(__name__)

HERE = Path(__file__).parent
METRICS = HERE / "metrics.yaml"
RESPONSE_SECONDS = 600  # a large photo on a CPU


def main(
    *,
    model: Annotated[list[str], typer.Option(help="a model's name; may be given several times")],
    output: Annotated[Path, typer.Option(help="the folder to write")],
    mounted_at: Annotated[
        Path | None, typer.Option(help="where TorchServe will find that folder; KServe: /mnt/models")
    ] = None,
    host: Annotated[str, typer.Option(help="address that TorchServe will listen on")] = "0.0.0.0",  # noqa: S104
) -> None:
    """Pack models for TorchServe."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = ServingSettings(http_host=host)
    try:
        for path in write_layout(output, model, settings, mounted_at=mounted_at):
            logger.info("%s", path)
    except LoupeError as error:
        logger.error("%s", error)
        sys.exit(error.exit_code)


def write_layout(
    folder: Path, names: Sequence[str], settings: ServingSettings, *, mounted_at: Path | None = None
) -> list[Path]:
    """Write archives and configuration, and return the files. TorchServe will find them in ``mounted_at``.

    Raises ModelNotFound, CheckpointError, StorageError.
    """
    store, config = folder / "model-store", folder / "config"
    paths = {name: find_model(name, settings) for name in names}
    try:
        store.mkdir(parents=True, exist_ok=True)
        config.mkdir(parents=True, exist_ok=True)
        versions, written = {}, []
        for name, path in paths.items():
            archive, info = write_archive(store, path)
            versions[name] = info.version
            written.append(archive)
        written.append(write_atomically(config / "metrics.yaml", METRICS.read_text("utf-8")))
        properties = torchserve_properties(mounted_at or folder.absolute(), versions, settings)
        written.append(write_atomically(config / "config.properties", properties))
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error}") from error
    return written


def write_archive(store: Path, checkpoint: Path) -> tuple[Path, CheckpointInfo]:
    """``{store}/{name}.mar``, under a temporary name first. Raises CheckpointError."""
    from model_archiver.model_archiver_config import ModelArchiverConfig
    from model_archiver.model_packaging import generate_model_archive

    _, info = load_model(checkpoint)  # damaged weights are found here, not by a worker that never gets ready
    with tempfile.TemporaryDirectory(dir=store, prefix=f".{info.name}.") as temporary:
        weights = Path(temporary) / f"{info.name}.safetensors"
        shutil.copyfile(checkpoint, weights)
        generate_model_archive(
            ModelArchiverConfig(
                model_name=info.name,
                version=info.version,
                handler=str(HERE / "handler.py"),
                serialized_file=str(weights),
                export_path=temporary,
            )
        )
        path = store / f"{info.name}.mar"
        (Path(temporary) / path.name).replace(path)
    return path, info


def torchserve_properties(folder: Path, versions: Mapping[str, str], settings: ServingSettings) -> str:
    """``config.properties`` of a layout that TorchServe finds in ``folder``."""
    host = settings.http_host
    model = {
        "defaultVersion": True,
        "minWorkers": settings.workers_per_model,
        "maxWorkers": settings.workers_per_model,
        "batchSize": settings.batch_size,
        "maxBatchDelay": settings.batch_delay_ms,
        "responseTimeout": RESPONSE_SECONDS,
    }
    models = {name: {version: {**model, "marName": f"{name}.mar"}} for name, version in versions.items()}
    # The result of a model of factor 4 has 16 times the pixels, and PNG of a photo some 2 bytes for each.
    largest_response = min(2**31 - 1, settings.limits.max_pixels_out * 4)
    lines = {
        "inference_address": f"http://{host}:{settings.http_port}",
        "management_address": f"http://127.0.0.1:{settings.management_port}",
        "metrics_address": f"http://{host}:{settings.metrics_port}",
        "grpc_inference_address": host,
        "grpc_inference_port": settings.grpc_port,
        "grpc_management_address": "127.0.0.1",
        "grpc_management_port": settings.grpc_management_port,
        "model_store": folder / "model-store",
        "load_models": "all",
        "allowed_urls": "file://.*",  # the default loads archives, which are code, from any address
        "models": json.dumps(models),
        "disable_token_authorization": "true",  # else every request needs a key from a file, probes too
        "enable_model_api": "false",
        "max_request_size": settings.max_request_bytes,  # the default of 6.5 MB refuses real photos
        "max_response_size": largest_response,
        "job_queue_size": settings.waiting,
        "metrics_mode": "prometheus",
        "metrics_config": folder / "config" / "metrics.yaml",
        "disable_system_metrics": "true",  # a process that polls psutil, for what the node exporter knows
        "enable_envvars_config": "true",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def write_atomically(path: Path, text: str) -> Path:
    """Under a temporary name beside ``path``, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


if __name__ == "__main__":
    typer.run(main)
