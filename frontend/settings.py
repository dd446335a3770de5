"""The settings of the page's server, read from the environment (``LOUPE_*``) or given on the command line."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from loupe.settings import Settings

Names = Annotated[tuple[str, ...], NoDecode]


class WebSettings(Settings):
    """``LOUPE_INFERENCE_URL=http://models:8080 python -m frontend``; lists are split at commas.

    No field is called ``host`` or ``port``: Kubernetes puts ``LOUPE_PORT=tcp://...`` into every pod that sits
    beside a service called ``loupe``.
    """

    web_host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 is every one")
    web_port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 is any free one")
    inference_url: str = Field(default="http://127.0.0.1:8080", description="the inference server; may hold {model}")
    offer_models: Names = Field(
        default=(), description="models to offer instead of the checkpoints that this process can see"
    )
    default_model: str | None = Field(default=None, description="the model that the page picks first")
    allowed_hosts: Names = Field(
        default=(), description="Host names to answer to; empty: local names on a local address, else all"
    )
    jobs: int = Field(default=2, gt=0, description="pictures enlarged at once")
    jobs_waiting: int = Field(default=16, ge=0, description="pictures in line; more are refused with 503")
    job_tile: int = Field(default=256, ge=16, description="side of a tile in input pixels; a tile is a request")
    job_requests: int = Field(default=2, gt=0, description="requests of one picture under way at once")
    results_ttl: float = Field(default=24 * 3600, gt=0, description="seconds that a result is kept")
    sweep_every: float = Field(default=600, gt=0, description="seconds between two removals of old results")
    grace_seconds: int = Field(default=5, ge=1, description="how long requests at work may go on at a stop")

    @field_validator("offer_models", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """``"a, b"`` -> ``("a", "b")``."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    def hosts(self) -> frozenset[str] | None:
        """The Host names to answer to, or None for any.

        A server on a local address answers to local names only, so that a foreign page that points its
        own name at 127.0.0.1 (DNS rebinding) gets nothing.
        """
        if self.allowed_hosts:
            return None if "*" in self.allowed_hosts else frozenset(self.allowed_hosts)
        if self.web_host in {"127.0.0.1", "::1", "localhost"}:
            return frozenset({"127.0.0.1", "::1", "localhost"})
        return None
