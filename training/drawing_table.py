"""The table and the sheet of the pixel recursive paper for a trained model, by one command:

python -m training.drawing_table runs/pixel_recursive_faces/model.safetensors --pictures faces32_eval.npy \
    --regression runs/regression_faces_small/model.safetensors \
    --independent runs/independent_faces_small/model.safetensors --sheet sheet.png
"""

import argparse
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from loupe.checkpoint import load_model
from loupe.choosing import Choice
from loupe.degrade import bicubic_downscale, bicubic_upscale
from loupe.drawing import Bytes
from loupe.drawing_evaluation import DrawnRow, draw_sheet, evaluate_answers, evaluate_drawing, to_tensor
from loupe.errors import InvalidOption, LoupeError
from loupe.models.pixel_baselines import IndependentPixels, Regression
from loupe.models.pixel_recursive import PixelRecursive, nats
from loupe.sampling import Sampler
from training.arrays import read_array

Model = TypeVar("Model", bound=nn.Module)


def main(arguments: list[str] | None = None) -> int:
    """Parse, measure, print. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.drawing_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a checkpoint of a pixel recursive model")
    parser.add_argument("--pictures", type=Path, required=True, help="an array.npy of the truth")
    parser.add_argument("--first", type=int, help="only so many pictures")
    parser.add_argument("--regression", type=Path, help="a checkpoint of the L2 baseline")
    parser.add_argument("--independent", type=Path, help="a checkpoint of the conditioning network alone")
    parser.add_argument("--factors", type=float, nargs="+", default=[1.0, 1.1, 1.2], help="of the logits")
    parser.add_argument("--samples", type=int, default=8, help="of an input, for the diversity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="where to write a picture of 12 rows")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    options = parser.parse_args(arguments)
    try:
        rows = measure(options)
    except LoupeError as error:
        print(f"drawing_table: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))  # noqa: T201
    else:
        Console().print(tabulate(rows))
    return 0


def measure(options: argparse.Namespace) -> list[DrawnRow]:
    """Every row of the table; writes the sheet on the way. Raises LoupeError."""
    sampler = Sampler(load_as(options.model, PixelRecursive))
    pictures, scale = np.array(read_array(options.pictures)[: options.first]), sampler.scale
    answers: dict[str, Callable[[Tensor], Tensor]] = {
        "nearest": functools.partial(F.interpolate, scale_factor=float(scale), mode="nearest"),
        "bicubic": functools.partial(bicubic_upscale, factor=scale),
    }
    if options.regression:
        answers["regression"] = torch.no_grad()(load_as(options.regression, Regression))
    rows = [evaluate_answers(name, answer, pictures, scale=scale) for name, answer in answers.items()]
    if options.independent:
        rows.append(measure_independent(load_as(options.independent, IndependentPixels), pictures, scale))
    if options.sheet:
        few = pictures[:: max(1, len(pictures) // 12)][:12]
        sheet = draw_sheet(sampler, few, choice=Choice(seed=options.seed), regression=answers.get("regression"))
        Image.fromarray(sheet).save(options.sheet)
    return rows + evaluate_drawing(
        sampler, pictures, name=options.model.stem, factors=options.factors, seed=options.seed, samples=options.samples
    )


@torch.no_grad()
def measure_independent(model: IndependentPixels, pictures: Bytes, scale: int) -> DrawnRow:
    """Its likeliest picture, each subpixel by itself, and its bits."""
    hr = to_tensor(pictures)
    lr = bicubic_downscale(hr, scale)
    bits = torch.cat([nats(model(x[None], y[None]).joint, y[None]) for x, y in zip(lr, hr, strict=True)]).mean()

    def answer(small: Tensor) -> Tensor:
        return torch.cat([model(x[None], x).joint.argmax(2).float() / 255 for x in small])

    row = evaluate_answers("independent, likeliest", answer, pictures, scale=scale)
    return replace(row, bits=bits.item() / np.log(2))


def load_as(path: Path, kind: type[Model]) -> Model:
    """The model at ``path``; InvalidOption if it is of another kind."""
    model, info = load_model(path)
    if not isinstance(model, kind):
        raise InvalidOption(f"{path}: got a checkpoint of {info.architecture}, expected a {kind.__name__}")
    return model


def tabulate(rows: list[DrawnRow]) -> Table:
    """For a person."""
    table = Table("model", "logits x", "PSNR-Y", "SSIM-Y", "MS-SSIM-Y", "consistent", "bits", "diverse", box=None)
    for row in rows:
        optional = [f"{row.factor:.1f}" if row.factor else ""]
        figures = [f"{row.psnr_y:.2f}", f"{row.ssim_y:.3f}", f"{row.ms_ssim_y:.3f}", f"{row.consistency:.4f}"]
        last = ["" if value is None else f"{value:.3f}" for value in (row.bits, row.diversity)]
        table.add_row(row.model, *optional, *figures, *last)
    return table


if __name__ == "__main__":
    sys.exit(main())
