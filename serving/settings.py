"""Settings of the inference servers, from the environment (``LOUPE_HTTP_PORT=9000``) or the command line.

No field is called ``port`` or ``host``: Kubernetes puts ``LOUPE_PORT=tcp://...`` into every pod that sits
beside a service called ``loupe``.
"""

from typing import Literal

from pydantic import Field

from loupe.settings import Settings


class ServingSettings(Settings):
    """One process that serves models. Sizes are of the process, whatever the number of its models."""

    backend: Literal["auto", "torch", "openvino"] = Field(
        default="auto", description="the engine; auto is OpenVINO where it is installed and there is no GPU"
    )
    serve_models: str = Field(default="", description="names with commas between; empty serves all there are")
    reload_seconds: float = Field(
        default=10,
        ge=0,
        description="how often promoted versions are looked for and taken without a restart; 0: never. "
        "TorchServe takes them when it starts",
    )
    http_host: str = Field(default="127.0.0.1", description="0.0.0.0 in a container")
    http_port: int = Field(default=8080, ge=0, le=65535)
    grpc_port: int = Field(default=8081, ge=0, le=65535, description="Open Inference Protocol over gRPC")
    predictor_port: int = Field(default=8085, ge=0, le=65535, description="TorchServe's own HTTP, behind ours")
    management_port: int = Field(default=8082, ge=0, le=65535, description="TorchServe only")
    grpc_management_port: int = Field(default=8084, ge=0, le=65535, description="TorchServe only")
    metrics_port: int = Field(default=8083, ge=0, le=65535, description="TorchServe only")

    tile: int = Field(default=512, ge=16, description="a tile here; larger than a client's tile with its halo")
    remote_tile: int = Field(
        default=256, ge=16, description="in front of a predictor: with its halo it is one tile there"
    )
    remote_workers: int = Field(
        default=8, ge=1, description="in front of a predictor: tiles of one picture there at once"
    )
    tile_batch: int = Field(default=0, ge=0, description="tiles in one call of the model; 0: 8 on a GPU, 1 on a CPU")
    running: int = Field(
        default=2, ge=1, description="requests at work at once: one decodes, one computes; more fill a GPU"
    )
    waiting: int = Field(default=32, ge=0, description="requests in line; more are refused with 503")
    max_waiting_bytes: int = Field(
        default=512 * 1024**2,
        ge=0,
        description="bytes of all request bodies in memory at once; more are refused with 503",
    )
    max_items: int = Field(default=64, ge=1, description="pictures in one request")
    grace_seconds: int = Field(default=5, ge=1, description="how long requests at work may go on at a stop")
    workers_per_model: int = Field(default=1, ge=1, description="TorchServe only: processes for each model")
    batch_size: int = Field(default=4, ge=1, description="TorchServe only: requests in one batch")
    batch_delay_ms: int = Field(default=1, ge=1, description="TorchServe only: a lone request waits this long")

    @property
    def max_request_bytes(self) -> int:
        """Largest request body: base64 of the largest picture, and 64 KiB around it."""
        return -(-self.limits.max_bytes // 3) * 4 + 65_536

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names in ``serve_models``; empty for all."""
        return tuple(name.strip() for name in self.serve_models.split(",") if name.strip())
