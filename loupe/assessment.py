"""What was measured of one checkpoint, as data: benchmarks, slices, robustness, speed and size. No torch in here.

    assessment = assess(Path("edsr_x4.safetensors"), benchmarks)        # loupe/assessing.py
    write_assessment(assessment, Path("assessment.json"))
    read_assessment(Path("assessment.json")).figures()["set5_psnr_y"]

Bicubic's figures stand beside the model's everywhere. Means are over pictures; the mean over benchmarks counts each
benchmark once. Two assessments with one ``evaluated_on`` were made of the same pictures in the same way.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from loupe.errors import LoupeError, StorageError
from loupe.files import write_whole
from loupe.quality import Quality

CEILING = 100.0  # dB: equal pictures have infinitely many, and a mean with one of them would tell nothing
HASH = "^[0-9a-f]{64}$"

Who = Literal["model", "bicubic"]


class AssessmentError(LoupeError):
    """An assessment that is damaged, is something else, or cannot be compared with another."""

    exit_code = 14


class _Measured(BaseModel):
    """Readers pass over fields of a later Loupe, so that old assessments and new ones stay readable."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Figures(_Measured):
    """By the protocol of ``loupe/metrics.py``: on luma, the border of the factor cut."""

    psnr_y: FiniteFloat = Field(le=CEILING, description="dB")
    ssim_y: FiniteFloat = Field(ge=-1, le=1)


class PictureRow(_Measured):
    """One picture of a benchmark."""

    name: str = Field(description="of the file, without its suffix")
    sha256: str = Field(pattern=HASH, description="of the high-resolution file")
    quality: Quality = Field(description="of the high-resolution picture")
    model: Figures
    bicubic: Figures

    def of(self, who: Who) -> Figures:
        return self.model if who == "model" else self.bicubic


class Group(_Measured):
    """Means over ``count`` pictures."""

    count: int = Field(ge=1)
    model: Figures
    bicubic: Figures

    def of(self, who: Who) -> Figures:
        return self.model if who == "model" else self.bicubic


class Speed(_Measured):
    """How long the model took for a picture, tiles and rounding included."""

    seconds_per_megapixel: FiniteFloat = Field(gt=0, description="median over the pictures; megapixels of results")
    backend: str = Field(description="torch, openvino, ...")
    threads: int = Field(ge=1)


class Assessment(_Measured):
    """All that was measured of one checkpoint."""

    model: str
    version: str
    scale: int = Field(ge=1)
    parameters: int = Field(ge=0)
    bytes: int = Field(gt=0, description="of the checkpoint's file")
    sha256: str = Field(pattern=HASH, description="of the checkpoint's file")
    weights_sha256: str = Field(
        pattern=HASH, description="of architecture, config and weights in half precision: the same under any version"
    )
    evaluated_on: str = Field(pattern=HASH, description="of the pictures and of how they were used")
    benchmarks: dict[str, tuple[PictureRow, ...]] = Field(min_length=1)
    slices: dict[str, Group] = Field(default_factory=dict, description="see loupe/slices.py; none is empty")
    robustness: dict[str, Group] = Field(default_factory=dict, description="see loupe/robustness.py")
    robust_pictures: int = Field(default=0, description="how many robustness was to be measured on, at most")
    robust_side: int = Field(default=0, description="of their middle, in high-resolution pixels")
    speed: Speed

    @property
    def groups(self) -> dict[str, Group]:
        """The means of each benchmark."""
        return {name: mean_of(rows) for name, rows in self.benchmarks.items()}

    @property
    def qualities(self) -> dict[str, Quality]:
        """The features of the pictures by their SHA-256."""
        return {row.sha256: row.quality for rows in self.benchmarks.values() for row in rows}

    def figures(self, who: Who = "model") -> dict[str, float]:
        """Flat names, as in a checkpoint's metrics: ``psnr_y`` and ``ssim_y`` (means over the benchmarks),
        ``set5_psnr_y``, ``slice_dark_psnr_y``, ``robust_noise_15_psnr_y``, and for the model its size and speed.
        """
        groups = self.groups
        named: dict[str, float] = {
            "psnr_y": _mean(group.of(who).psnr_y for group in groups.values()),
            "ssim_y": _mean(group.of(who).ssim_y for group in groups.values()),
        }
        parts = {f"slice_{name}": group for name, group in self.slices.items()}
        parts |= {f"robust_{name}": group for name, group in self.robustness.items()}
        for name, group in (parts | groups).items():
            named |= {f"{name}_psnr_y": group.of(who).psnr_y, f"{name}_ssim_y": group.of(who).ssim_y}
        if who == "model":
            named |= {"parameters": self.parameters, "bytes": self.bytes}
            named["seconds_per_megapixel"] = self.speed.seconds_per_megapixel
        return named

    def headline(self) -> dict[str, float]:
        """The few figures to show beside a run: the benchmarks, the gain over bicubic, speed and size."""
        figures, baseline = self.figures(), self.figures("bicubic")
        chosen = ["psnr_y", "ssim_y", *(f"{name}_{key}" for name in self.benchmarks for key in ("psnr_y", "ssim_y"))]
        chosen += ["parameters", "bytes", "seconds_per_megapixel"]
        return {name: figures[name] for name in chosen} | {"gain_over_bicubic": figures["psnr_y"] - baseline["psnr_y"]}


def finite_psnr(psnr: float) -> float:
    """The PSNR, or CEILING above it."""
    return min(psnr, CEILING)


def mean_of(rows: Iterable[PictureRow]) -> Group:
    """The means over some pictures, of which there must be one at least."""
    rows = list(rows)

    def figures(who: Who) -> Figures:
        return Figures(
            psnr_y=_mean(row.of(who).psnr_y for row in rows), ssim_y=_mean(row.of(who).ssim_y for row in rows)
        )

    return Group(count=len(rows), model=figures("model"), bicubic=figures("bicubic"))


def write_assessment(assessment: Assessment, path: Path) -> None:
    """As JSON, whole or not at all. Raises StorageError."""
    write_whole(path, assessment.model_dump_json(indent=1).encode())


def read_assessment(path: Path) -> Assessment:
    """What ``write_assessment`` wrote. Raises StorageError, and AssessmentError when it is something else."""
    try:
        return Assessment.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        told = f"{where}: {first['msg']}" if where else first["msg"]
        raise AssessmentError(f"{path}: got no assessment of a checkpoint ({told}); run evaluate again") from error


def require_comparable(first: Assessment, second: Assessment) -> None:
    """AssessmentError unless both were measured on the same pictures in the same way."""
    if first.evaluated_on == second.evaluated_on:
        return
    got = " and ".join(_told(each) for each in (first, second))
    raise AssessmentError(f"got assessments of {got}, expected the same pictures used alike; evaluate both on one set")


def _told(assessment: Assessment) -> str:
    sets: Mapping[str, tuple[PictureRow, ...]] = assessment.benchmarks
    pictures = ", ".join(f"{name} ({len(rows)})" for name, rows in sets.items())
    return f"{assessment.model} x{assessment.scale} on {pictures} [{assessment.evaluated_on[:12]}]"


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values)
