"""The table of the pixel recursive paper (arXiv 1702.00783), as `loupe eval faces.npy` prints it.

    models = read_compared(find_model(name, settings))          # the model, and its baselines where there are any
    table = measure_table(models, pictures, benchmark="faces32_eval")
    Console().print(tabulate(table))

Beside nearest and bicubic stand two baselines of the conditioning network's size, trained on the same pictures: one
answer by L2, and each subpixel by itself. They lie in a folder ``baselines`` beside the checkpoint.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor

from loupe.checkpoint import CheckpointInfo, load_model, read_info, require_kind
from loupe.choosing import Choice
from loupe.degrade import bicubic_downscale, bicubic_upscale
from loupe.drawing import Bytes
from loupe.drawing_evaluation import (
    FACTORS,
    DrawnRow,
    Progress,
    draw_sheet,
    evaluate_answers,
    evaluate_drawing,
    to_tensor,
)
from loupe.errors import InvalidOption
from loupe.metrics import WINDOW
from loupe.models.pixel_baselines import IndependentPixels, Regression
from loupe.models.pixel_recursive import PixelRecursive, nats
from loupe.sampling import Sampler

BASELINES = "baselines"
SIZE = ("scale", "features", "blocks")  # of the conditioning network: what a baseline has in common with its model
SHEET_ROWS = 12
HEAD = ("model", "logits", "PSNR-Y", "SSIM-Y", "MS-SSIM-Y", "consistency", "bits", "diversity")


@dataclass(frozen=True)
class Compared:
    """A model that draws, and what it is compared with."""

    info: CheckpointInfo
    sampler: Sampler
    regression: Regression | None = None
    independent: IndependentPixels | None = None


@dataclass(frozen=True)
class DrawnTable:
    """``samples`` were drawn of an input for the diversity; consistency is at a factor of ``scale``."""

    benchmark: str
    model: str
    scale: int
    pictures: int
    samples: int
    rows: list[DrawnRow] = field(default_factory=list)

    @property
    def drawn(self) -> DrawnRow:
        """The model's row with logits as they are, or the first there is."""
        rows = [row for row in self.rows if row.factor is not None]
        return next((row for row in rows if row.factor == 1), rows[0])

    def row(self, model: str) -> DrawnRow | None:
        """The first row of this name: nearest, bicubic, regression, independent."""
        return next((row for row in self.rows if row.model == model), None)


def read_compared(checkpoint: Path, baselines: Sequence[Path] = ()) -> Compared:
    """Load a checkpoint and its baselines: those given, else those beside it that fit. Raises CheckpointError, and
    InvalidOption for models of another kind.
    """
    model, info = load_model(checkpoint)
    require_kind(info.name, info.kind, "sampler")
    if not isinstance(model, PixelRecursive):
        raise InvalidOption(f"{checkpoint}: got {info.architecture}, which is a baseline, expected pixel_recursive")
    compared = Compared(info, Sampler(model))
    for path in baselines or find_baselines(checkpoint, info):
        baseline, other = load_model(path)
        if other.scale != info.scale:
            raise InvalidOption(f"{path}: got a baseline of factor {other.scale}, expected {info.scale}")
        if isinstance(baseline, Regression):
            compared = replace(compared, regression=baseline)
        elif isinstance(baseline, IndependentPixels):
            compared = replace(compared, independent=baseline)
        else:
            raise InvalidOption(
                f"{path}: got {other.architecture}, expected a baseline: pixel_regression or independent_pixels"
            )
    return compared


def find_baselines(checkpoint: Path, info: CheckpointInfo) -> list[Path]:
    """Those in the folder beside the checkpoint that were trained on the same data and are of the same size."""
    wanted = {name: info.config.get(name) for name in SIZE}
    found = []
    for path in sorted((checkpoint.parent / BASELINES).glob("*.safetensors")):
        other = read_info(path)
        if other.data == info.data and {name: other.config.get(name) for name in SIZE} == wanted:
            found.append(path)
    return found


def measure_table(
    compared: Compared,
    pictures: Bytes,
    *,
    benchmark: str = "",
    factors: Sequence[float] = FACTORS,
    samples: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> DrawnTable:
    """Every row. ``pictures`` (N,H,W,3) uint8 are the truth. InvalidOption if they do not fit the model."""
    scale = compared.info.scale
    check_pictures(pictures, scale)
    answers: dict[str, Callable[[Tensor], Tensor]] = {
        "nearest": functools.partial(F.interpolate, scale_factor=float(scale), mode="nearest"),
        "bicubic": functools.partial(bicubic_upscale, factor=scale),
    }
    if compared.regression:
        answers["regression"] = torch.no_grad()(compared.regression)
    rows = [evaluate_answers(name, answer, pictures, scale=scale) for name, answer in answers.items()]
    if compared.independent:
        rows.append(measure_independent(compared.independent, pictures, scale))
    rows += evaluate_drawing(
        compared.sampler,
        pictures,
        name=compared.info.name,
        factors=factors,
        seed=seed,
        samples=samples,
        progress=progress,
    )
    return DrawnTable(benchmark, compared.info.name, scale, len(pictures), samples, rows)


def check_pictures(pictures: Bytes, scale: int) -> None:
    """Raise InvalidOption unless they can be made ``scale`` times smaller, and measured."""
    height, width = pictures.shape[1:3]
    if height % scale or width % scale or min(height, width) < WINDOW:
        raise InvalidOption(
            f"pictures: got {width}x{height}, expected multiples of {scale}, of at least {WINDOW} pixels a side"
        )


def sheet_of(compared: Compared, pictures: Bytes, *, samples: int = 4, seed: int = 0) -> Bytes:
    """Of a few pictures spread over all: input, bicubic, L2 if there is one, samples, their entropy, truth."""
    check_pictures(pictures, compared.info.scale)
    chosen = np.linspace(0, len(pictures) - 1, min(SHEET_ROWS, len(pictures))).round().astype(int)
    regression = torch.no_grad()(compared.regression) if compared.regression else None
    lr = bicubic_downscale(to_tensor(pictures[chosen]), compared.info.scale)
    return draw_sheet(
        compared.sampler, lr, pictures[chosen], samples=samples, choice=Choice(seed=seed), regression=regression
    )


@torch.no_grad()
def measure_independent(model: IndependentPixels, pictures: Bytes, scale: int) -> DrawnRow:
    """Its likeliest picture, each subpixel by itself, and its bits."""
    hr = to_tensor(pictures)
    lr = bicubic_downscale(hr, scale)
    bits = torch.cat([nats(model(x[None], y[None]).joint, y[None]) for x, y in zip(lr, hr, strict=True)]).mean()

    def answer(small: Tensor) -> Tensor:
        return torch.cat([model(x[None], x).joint.argmax(2).float() / 255 for x in small])

    row = evaluate_answers("independent", answer, pictures, scale=scale)
    return replace(row, bits=bits.item() / math.log(2))


def tabulate(table: DrawnTable) -> Table:
    """For a person."""
    shown = Table(*HEAD, box=None, pad_edge=False)
    for row in table.rows:
        shown.add_row(*cells(row))
    return shown


def cells(row: DrawnRow) -> list[str]:
    """A row as text: bits are of a subpixel."""
    return [
        row.model,
        f"x{row.factor:.1f}" if row.factor else "",
        f"{row.psnr_y:.2f}",
        f"{row.ssim_y:.4f}",
        f"{row.ms_ssim_y:.4f}",
        f"{row.consistency:.4f}",
        "" if row.bits is None else f"{row.bits:.2f}",
        "" if row.diversity is None else f"{row.diversity:.4f}",
    ]


def explain(table: DrawnTable) -> str:
    """What stands under the table."""
    return (
        f"{table.pictures} pictures of {table.benchmark}. Consistency: mean squared error in [0,1] between the input "
        f"and the answer made {table.scale} times smaller by bicubic. Bits: of the truth, a subpixel. Diversity: mean "
        f"distance (RMS in [0,1]) of two of {table.samples} samples of an input."
    )
