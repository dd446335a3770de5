"""The settings that the command line and both servers share, read from the environment (``LOUPE_*``).

Built by whoever starts a process (``Settings()``), handed down as an argument; never read on import.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Limits(BaseModel):
    """What a picture may be. Checked from the header, before anything is decoded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=64 * 1024**2, gt=0, description="bytes of an encoded picture")
    max_pixels_in: int = Field(default=64_000_000, gt=0, description="width * height that we decode")
    max_pixels_out: int = Field(default=400_000_000, gt=0, description="width * height that we make")


class DrawingLimits(BaseModel):
    """What may be drawn at once: the time grows with the pixels, and a little with the samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_cells: int = Field(default=16, ge=1, le=64, description="cells of a sketch, a side")
    max_samples: int = Field(default=8, ge=1, le=64, description="pictures drawn from one sketch")


class Settings(BaseSettings):
    """Base of every process's settings: ``LOUPE_LIMITS__MAX_BYTES=...``, ``LOUPE_STORAGE=s3://bucket``."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_", env_nested_delimiter="__", frozen=True)

    limits: Limits = Limits()
    drawing: DrawingLimits = DrawingLimits()
    models_dir: Path | None = Field(
        default=None, description="a folder of checkpoints that is searched before those that ship"
    )
    storage: str = Field(default="file://.loupe", description="file:///folder or s3://bucket/prefix")
    cache_dir: Path = Field(
        default=Path(".loupe/cache"), description="where promoted models of an s3:// storage are kept between starts"
    )
    compile: bool = Field(default=False, description="torch.compile the networks: slow to start, quicker on a GPU")
    observe_share: float = Field(
        default=1.0, ge=0, le=1, description="share of the pictures whose features are counted for drift; 0: none"
    )
    threads: int = Field(default=0, ge=0, description="CPU threads of a model; 0 means all cores")
