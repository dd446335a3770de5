"""From a finished run to a checkpoint that ships: measured, in half precision, with its model card.

    python -m training.ship runs/edsr_fast_x4 --benchmark set5/ --benchmark b100/ --machine "2 CPU cores"

The card's figures are those of the half-precision file, as a person gets it, by ``loupe.evaluation``.
"""

import argparse
import sys
from pathlib import Path

from loupe.backends import TorchBackend
from loupe.checkpoint import CheckpointInfo, load_model, save_checkpoint
from loupe.errors import LoupeError
from loupe.evaluation import Result, evaluate, evaluate_bicubic, find_benchmark
from loupe.files import write_whole
from training.log import read_log
from training.recipes import RECIPES

# Published PSNR-Y / SSIM-Y of bicubic degradation: FSRCNN (1608.00367), EDSR-baseline (1707.02921, authors' code),
# SwinIR-light (2108.10257), EDSR (1707.02921).
PUBLISHED = {
    ("set5", 2): {"FSRCNN": (37.00, 0.9558), "EDSR-baseline": (37.99, 0.9604)},
    ("b100", 2): {"EDSR-baseline": (32.16, 0.8994)},
    ("set5", 4): {"FSRCNN": (30.72, 0.8660), "EDSR-baseline": (32.09, 0.8938), "SwinIR-light": (32.44, 0.8976)},
    ("b100", 4): {"FSRCNN": (26.98, 0.7150), "EDSR-baseline": (27.57, 0.7357), "SwinIR-light": (27.69, 0.7406)},
}

CARD = """\
# {name}

{summary}. {parameters:,} parameters, `{architecture}` {config}.

## Data

Trained on {data}. Low-resolution pictures by MATLAB's bicubic
(`loupe/degrade.py`). The sets below are in no training data.

## Recipe

`{name}` in `training/recipes.py`: {batch} crops a step, {steps:,} steps, {hours:.1f} hours in steps on {machine}.

    {command}

## Figures

{figures}

PSNR (dB) and SSIM on luma (BT.601), border of {scale} pixels cut, of the file that ships. Rows marked *published*
are quoted from the papers, all others come from one run of

    python -m training.ship runs/{name} {benchmarks}--output loupe/weights

and `loupe eval {first} --model {name}` prints the same.

## Limits

Trained on clean bicubic reduction: noise, blur and JPEG blocks of the input are enlarged too, and fine texture
below the input's resolution is smoothed rather than invented. What looks like new detail is plausible, not recovered:
no evidence of what was there. Text and faces have had no training of their own.

## Licence

Weights: {license}. Data: {data_license}.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse, measure, write. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--benchmark", type=Path, action="append", required=True, help="may be given several times")
    parser.add_argument("--output", type=Path, default=Path("loupe/weights"))
    parser.add_argument("--machine", default="", help="what it was trained on, for the card")
    parser.add_argument("--command", default="", help="the command it was trained by, for the card")
    parser.add_argument("--data", default="", help="what the data are, for the card; default: as the run says")
    parser.add_argument("--data-license", default="see the data's own", help="for the card")
    parser.add_argument("--license", default="Apache-2.0", help="of the weights")
    parser.add_argument("--version", default="1")
    options = parser.parse_args(arguments)
    try:
        print(ship(options))  # noqa: T201
    except (LoupeError, OSError) as error:
        print(f"ship: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code if isinstance(error, LoupeError) else 1
    return 0


def ship(options: argparse.Namespace) -> Path:
    """Write the checkpoint and its card; the checkpoint's path. Raises LoupeError."""
    model, info = load_model(options.run / "model.safetensors")
    target: Path = options.output / f"{info.name}.safetensors"
    info = info.model_copy(
        update={"version": options.version, "license": options.license, "data": options.data or info.data}
    )
    save_checkpoint(target, model, info)
    model, _ = load_model(target)  # what is measured is what ships: rounded to half precision
    backend = TorchBackend(model, info)
    results = []
    for folder in options.benchmark:
        pairs = find_benchmark(folder, info.scale)
        results.append(evaluate_bicubic(pairs, info.scale, benchmark=folder.name))
        results.append(evaluate(backend, pairs, benchmark=folder.name))
    metrics: dict[str, float] = {}
    for result in results:
        if result.model == info.name:
            metrics |= {
                f"{result.benchmark}_psnr_y": round(result.psnr_y, 2),
                f"{result.benchmark}_ssim_y": round(result.ssim_y, 4),
            }
    info = info.model_copy(update={"metrics": metrics})
    save_checkpoint(target, model, info)
    write_whole(target.with_suffix(".md"), write_card(info, results, options).encode())
    return target


def write_card(info: CheckpointInfo, results: list[Result], options: argparse.Namespace) -> str:
    """The model card as Markdown."""
    records = [record for record in read_log(options.run / "log.jsonl") if "images_per_second" in record]
    batch = RECIPES[info.name]().batch
    done, seconds = 0.0, 0.0
    for record in records:
        seconds += (record["step"] - done) * batch / record["images_per_second"]
        done = record["step"]
    lines = ["| set | model | PSNR-Y | SSIM-Y |", "|---|---|---|---|"]
    for result in results:
        name = f"**{result.model}**" if result.model == info.name else "bicubic"
        lines.append(f"| {result.benchmark} | {name} | {result.psnr_y:.2f} | {result.ssim_y:.4f} |")
        if result.model == info.name:
            for peer, (psnr, ssim) in PUBLISHED.get((result.benchmark, info.scale), {}).items():
                lines.append(f"| {result.benchmark} | {peer} (*published*) | {psnr:.2f} | {ssim:.4f} |")
    command = options.command or f"python -m training --recipe {info.name} --data PHOTOS"
    return CARD.format(
        **info.model_dump(include={"name", "summary", "parameters", "architecture", "scale", "license", "data"}),
        config=", ".join(f"{key} {value}" for key, value in info.config.items()),
        batch=batch,
        steps=int(done),
        hours=seconds / 3600,
        machine=options.machine or "a machine that was not named",
        command=command,
        figures="\n".join(lines),
        benchmarks="".join(f"--benchmark {folder.name}/ " for folder in options.benchmark),
        first=f"{options.benchmark[0].name}/",
        data_license=options.data_license,
    )


if __name__ == "__main__":
    sys.exit(main())
