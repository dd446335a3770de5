"""Does drawing textured pictures more often help? The same recipe trained with and without the weights, and measured.

python -m bench.sampling --data photos/ --benchmark set5/ --benchmark b100/ --steps 5000 --seeds 2
"""

import argparse
import dataclasses
from pathlib import Path
from statistics import mean

import numpy as np
from rich.table import Table

from bench import console
from loupe.backends import TorchBackend
from loupe.checkpoint import load_model
from loupe.evaluation import evaluate, find_benchmark
from loupe.images import Picture
from loupe.quality import Quality, measure
from training.features.sampling import sampling_weights
from training.loop import Options, train
from training.pack import Pack
from training.prepare import prepare_data
from training.recipes import RECIPES

STRENGTHS = (0.0, 0.5, 1.0)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.sampling", description=__doc__)
    parser.add_argument("--data", required=True, help="a folder of pictures")
    parser.add_argument("--benchmark", type=Path, action="append", required=True, help="may be given several times")
    parser.add_argument("--recipe", default="edsr_fast_x4", choices=sorted(RECIPES))
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("runs/sampling"))
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    options = parser.parse_args()
    scale = RECIPES[options.recipe]().scale
    data, valid = prepare_data(options.data, None, scale, Path("runs/data"), quiet=False)
    features = measure_pack(data)
    pictures = [entry.sha256 for entry in data.entries]
    scores: dict[float, list[list[float]]] = {}
    for seed in range(options.seeds):
        for strength in STRENGTHS:
            recipe = dataclasses.replace(
                RECIPES[options.recipe](), steps=options.steps, seed=seed, validate_every=options.steps
            )
            final = train(
                recipe,
                data=data,
                valid=valid,
                output=options.output / f"strength{strength:g}-seed{seed}",
                options=Options(precision=options.precision),
                weights=sampling_weights(features, pictures, strength=strength) if strength else None,
            )
            backend = TorchBackend(*load_model(final))
            found = [evaluate(backend, find_benchmark(folder, scale)) for folder in options.benchmark]
            scores.setdefault(strength, []).append([result.psnr_y for result in found])
            console.print(strength, seed, [f"{result.psnr_y:.3f}" for result in found])
    table = Table("strength of the weights", *(f"{folder.name}, dB" for folder in options.benchmark))
    for strength, rows in scores.items():
        cells = [f"{mean(column):.3f} ({min(column):.3f} to {max(column):.3f})" for column in zip(*rows, strict=True)]
        table.add_row(f"{strength:g}", *cells)
    console.print(table)


def measure_pack(pack: Pack) -> dict[str, Quality]:
    """The features of the packed pictures themselves, by SHA-256."""
    pictures = (Picture(color=np.ascontiguousarray(pack.picture(index))) for index in range(len(pack.entries)))
    return {entry.sha256: measure(picture) for entry, picture in zip(pack.entries, pictures, strict=True)}


if __name__ == "__main__":
    main()
