"""Trains a recipe on the shards: with torchrun in this step, or as a TrainJob or PyTorchJob that it follows."""

from kfp import dsl

from components import component


@component
def train(
    shards: dsl.Input[list[dsl.Dataset]],
    repository: dsl.Input[dsl.Dataset],
    checkpoint: dsl.Output[dsl.Model],
    log: dsl.Output[dsl.Artifact],
    curves: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    recipe: str,
    model: str = "",
    steps: int = 0,
    processes: int = 2,
    weighted: bool = True,
    runner: str = "local",
    nodes: int = 1,
    gpus: int = 0,
    storage: str = "",
    run: str = "",
    pod: dict[str, str] = {},
) -> None:
    """Write the checkpoint, under the name ``model``. ``pod``: more fields of ``training.step.Place``, as strings."""
    from pathlib import Path

    from training.step import Files, Place, Shard, Wanted, run_training

    files = Files(Path(checkpoint.path), Path(log.path), Path(curves.path))
    given = [Shard(shard.metadata["part"], Path(shard.path), shard.uri, shard.metadata["version"]) for shard in shards]
    place = Place(nodes=nodes, gpus=gpus, storage=storage, run=run, **pod)
    features = Path(repository.path) if weighted else None
    wanted = Wanted(recipe, model, steps)
    figures = run_training(given, wanted, files, runner=runner, processes=processes, features=features, place=place)
    for name, figure in figures.items():
        metrics.log_metric(name, figure)
