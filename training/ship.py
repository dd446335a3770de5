"""From a finished run to a checkpoint that ships: measured, in half precision, with its model card.

    python -m training.ship runs/edsr_fast_x4 --benchmark set5/ --benchmark b100/ --machine "2 CPU cores"
    python -m training.ship runs/pixel_recursive_faces_small --benchmark faces32_eval.npy \\
        --baseline runs/regression_faces_small --baseline runs/independent_faces_small

The card's figures are those of the half-precision file, as a person gets it: by ``loupe.evaluation``, and of a model
that draws by ``loupe.drawing_table``.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from loupe.arrays import SUFFIX, read_array
from loupe.backends import TorchBackend
from loupe.checkpoint import load_model, save_checkpoint
from loupe.drawing_table import BASELINES, HEAD, cells, explain, measure_table, read_compared
from loupe.errors import InvalidOption, LoupeError
from loupe.evaluation import evaluate, evaluate_bicubic, find_benchmark
from loupe.files import write_whole
from training.card import Measured, Told, write_card
from training.mirror import MODEL

DRAWN_METRICS = {"bits": 2, "psnr_y": 2, "ssim_y": 4, "ms_ssim_y": 4, "consistency": 4, "diversity": 4}  # digits

# Published PSNR-Y / SSIM-Y of bicubic degradation: FSRCNN (1608.00367), EDSR-baseline (1707.02921, authors' code),
# SwinIR-light (2108.10257), EDSR (1707.02921).
PUBLISHED = {
    ("set5", 2): {"FSRCNN": (37.00, 0.9558), "EDSR-baseline": (37.99, 0.9604)},
    ("b100", 2): {"EDSR-baseline": (32.16, 0.8994)},
    ("set5", 4): {"FSRCNN": (30.72, 0.8660), "EDSR-baseline": (32.09, 0.8938), "SwinIR-light": (32.44, 0.8976)},
    ("b100", 4): {"FSRCNN": (26.98, 0.7150), "EDSR-baseline": (27.57, 0.7357), "SwinIR-light": (27.69, 0.7406)},
}


def main(arguments: list[str] | None = None) -> int:
    """Parse, measure, write. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--benchmark", type=Path, action="append", required=True, help="may be given several times")
    parser.add_argument(
        "--baseline", type=Path, action="append", default=[], help="a run that ships beside a model that draws"
    )
    parser.add_argument("--limit", action="append", default=[], help="of a model that draws, for the card")
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
    """Write the checkpoint, its baselines and its card; the checkpoint's path. Raises LoupeError."""
    model, info = load_model(options.run / MODEL)
    if info.kind == "enlarger" and options.baseline:
        raise InvalidOption(f"baseline: got some for {info.name}, which enlarges, expected none")
    target: Path = options.output / f"{info.name}.safetensors"
    same = {"license": options.license, "data": options.data or info.data}
    info = info.model_copy(update={"version": options.version} | same)
    save_checkpoint(target, model, info)
    for run in options.baseline:
        baseline, other = load_model(run / MODEL)
        save_checkpoint(
            target.parent / BASELINES / f"{other.name}.safetensors", baseline, other.model_copy(update=same)
        )
    measure = measure_enlarging if info.kind == "enlarger" else measure_drawing
    measured = measure(target, options.benchmark)
    info = info.model_copy(update={"metrics": measured.metrics})
    save_checkpoint(target, model, info)
    given = [f"--benchmark {name_of(path)} " for path in options.benchmark]
    given += [f"--baseline runs/{run.name} " for run in options.baseline]
    told = Told(
        run=options.run,
        given="".join(given),
        first=name_of(options.benchmark[0]),
        machine=options.machine,
        command=options.command,
        data_license=options.data_license,
        limits=options.limit,
    )
    write_whole(target.with_suffix(".md"), write_card(info, measured, told).encode())
    return target


def name_of(benchmark: Path) -> str:
    """As a person would give it."""
    return benchmark.name if benchmark.suffix == SUFFIX else f"{benchmark.name}/"


def measure_enlarging(checkpoint: Path, folders: list[Path]) -> Measured:
    """PSNR and SSIM of the file that ships, beside bicubic and what is published."""
    model, info = load_model(checkpoint)  # what is measured is what ships: rounded to half precision
    backend = TorchBackend(model, info)
    metrics: dict[str, float] = {}
    lines = ["| set | model | PSNR-Y | SSIM-Y |", "|---|---|---|---|"]
    for folder in folders:
        pairs, name = find_benchmark(folder, info.scale), folder.name
        bicubic, own = evaluate_bicubic(pairs, info.scale), evaluate(backend, pairs)
        metrics |= {f"{name}_psnr_y": round(own.psnr_y, 2), f"{name}_ssim_y": round(own.ssim_y, 4)}
        figures = {"bicubic": (bicubic.psnr_y, bicubic.ssim_y), f"**{info.name}**": (own.psnr_y, own.ssim_y)}
        for peer, published in PUBLISHED.get((name, info.scale), {}).items():
            figures[f"{peer} (*published*)"] = published
        lines += [f"| {name} | {who} | {psnr:.2f} | {ssim:.4f} |" for who, (psnr, ssim) in figures.items()]
    return Measured(metrics, lines)


def measure_drawing(checkpoint: Path, arrays: list[Path]) -> Measured:
    """The paper's table of the file that ships. Metrics are those of logits as they are."""
    compared = read_compared(checkpoint)
    metrics: dict[str, float] = {}
    lines: list[str] = []
    for path in arrays:
        table = measure_table(compared, np.array(read_array(path)), benchmark=path.stem)
        for name, digits in DRAWN_METRICS.items():
            metrics[f"{path.stem}_{name}"] = round(getattr(table.drawn, name), digits)
        if independent := table.row("independent"):
            metrics[f"{path.stem}_independent_bits"] = round(independent.bits or 0.0, 2)
        lines += ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
        for row in table.rows:
            name, *figures = cells(row)
            lines.append("| " + " | ".join([f"**{name}**" if name == table.model else name, *figures]) + " |")
        lines += ["", explain(table)]
    return Measured(metrics, lines)


if __name__ == "__main__":
    sys.exit(main())
