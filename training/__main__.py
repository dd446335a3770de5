"""Train a model: ``python -m training --recipe edsr_x4 --data photos/``.

Alone, under ``torchrun --nproc-per-node=2 -m training ...``, or in a TrainJob: the same arguments. Started again
with the same ``--output``, or on another machine with the same ``--mirror``, it resumes.
"""

import argparse
import dataclasses
import logging
import os
import sys
from pathlib import Path

from loupe.errors import LoupeError
from loupe.records import checked_name
from training.recipes import RECIPES, Recipe

DEFAULT_STORE = Path("runs/data")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line. Exits with 2 and a usage line when it does not fit."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", required=True, choices=sorted(RECIPES), help="what to train")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--data", default="div2k", help="a folder, s3://bucket/prefix, an array.npy, or div2k (default)")
    data.add_argument(
        "--shard", action="append", help="packed pictures: a folder or s3://bucket/prefix; may be repeated"
    )
    parser.add_argument("--valid-shard", action="append", help="the same, to validate on")
    parser.add_argument("--valid", help="pictures to validate on (default: div2k's own, or the last 3%% of --data)")
    parser.add_argument("--name", help="of the model, in its checkpoint (default: RECIPE)")
    parser.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--mirror", default="", help="storage of a copy of the run, such as s3://bucket/runs/1")
    parser.add_argument("--store", type=Path, default=DEFAULT_STORE, help="where packs and downloads are kept")
    parser.add_argument("--steps", type=int, help="instead of the recipe's number")
    parser.add_argument("--batch", type=int, help="crops a step over all processes, instead of the recipe's")
    parser.add_argument("--save-every", type=int, help="steps between two saved states")
    parser.add_argument("--validate-every", type=int, help="steps between two validations")
    parser.add_argument("--seed", type=int, help="of weights and crops")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"], help="auto: bf16 on a GPU")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks")
    parser.add_argument("--workers", type=int, default=1, help="threads that cut crops ahead of time")
    parser.add_argument("--features", type=Path, help="a Feast repository: draw textured pictures more often by it")
    parser.add_argument("--weights", help="the same by weights that were read before: file:// or s3:// and a JSON file")
    parser.add_argument("--license", default="", help="of the data, for the checkpoint and its card")
    parser.add_argument("--data-name", help="what to call the data in the checkpoint (default: --data's last part)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if bool(options.shard) != bool(options.valid_shard):
        parser.error("got one of --shard and --valid-shard, expected both or neither")
    if options.shard and options.valid:
        parser.error("got --valid with --shard, expected --valid-shard")
    return options


def choose_recipe(arguments: argparse.Namespace) -> Recipe:
    """The named recipe with what the command line overrides."""
    fields = ("steps", "batch", "save_every", "validate_every", "seed")
    changes = {name: getattr(arguments, name) for name in fields if getattr(arguments, name) is not None}
    recipe = RECIPES[arguments.recipe]()
    if arguments.steps is not None:  # a short run must not end before its learning rate has risen
        changes["warmup"] = min(recipe.warmup, arguments.steps // 10)
    return dataclasses.replace(recipe, **changes)


def main(arguments: list[str] | None = None) -> int:
    """Parse, prepare data, train. Returns the exit code."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    from training.loop import Options, train
    from training.pack import MINIMUM, Pictures
    from training.prepare import prepare_data
    from training.shards import open_shards

    data: Pictures
    valid: Pictures
    try:
        recipe = choose_recipe(options)
        name = checked_name(options.name or recipe.name)
        version = ""
        if options.shard:
            data, valid = open_shards(options.shard, options.store), open_shards(options.valid_shard, options.store)
            version = data.version
        else:
            data, valid = prepare_data(
                options.data,
                options.valid,
                recipe.scale,
                options.store,
                quiet=options.quiet,
                minimum=min(MINIMUM, recipe.patch * recipe.scale),
                shrink=recipe.shrink,
            )
        weights = None
        if options.features:
            from training.features.sampling import read_weights

            weights = read_weights(options.features, [entry.sha256 for entry in data.entries])
        elif options.weights:
            from training.features.sampling import load_weights

            weights = load_weights(options.weights, [entry.sha256 for entry in data.entries])
        final = train(
            recipe,
            data=data,
            valid=valid,
            output=options.output or Path("runs") / name,
            options=Options(
                device=options.device,
                precision=options.precision,
                compile=options.compile,
                log_every=max(1, min(Options.log_every, recipe.steps // 20)),
                workers=options.workers,
                name=name,
                mirror=options.mirror,
                data_name=options.data_name or version[:12] or options.data.rstrip("/").rsplit("/", 1)[-1],
                data_version=version,
                license=options.license,
                quiet=options.quiet,
            ),
            weights=weights,
        )
    except (LoupeError, ValueError, FloatingPointError) as error:
        print(f"training: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code if isinstance(error, LoupeError) else 2
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{final}: done; see it with `loupe models --models-dir {final.parent}`")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
