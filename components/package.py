"""Puts all that a version of a model is into one folder: weights, card, figures, TorchServe's layout, a smoke test."""

from kfp import dsl

from components import component


@component
def package(
    checkpoint: dsl.Input[dsl.Model],
    assessment: dsl.Input[dsl.Artifact],
    shards: dsl.Input[list[dsl.Dataset]],
    package: dsl.Output[dsl.Artifact],
    storage: str = "",
    run: str = "",
    recipe: str = "",
) -> str:
    """Numbers the checkpoint after the versions in ``storage``, so it must not be cached. Returns the number."""
    from pathlib import Path

    from loupe.assessment import read_assessment
    from loupe.settings import Settings
    from loupe.storage import open_storage
    from serving.packaging import free_version, lineage_of, make_package
    from training.example import example_picture
    from training.reference import reference_distribution

    assessed = read_assessment(Path(assessment.path))
    folders = {Path(shard.path): str(shard.metadata["part"]) for shard in shards}
    made = make_package(
        Path(package.path),
        Path(checkpoint.path),
        assessed,
        version=free_version(open_storage(storage or Settings().storage), assessed.model),
        features=reference_distribution([*folders], scale=assessed.scale),
        lineage=lineage_of((shard.metadata["version"] for shard in shards), run=run, recipe=recipe),
        picture=example_picture(folders, scale=assessed.scale),
    )
    package.metadata.update(model=made.info.name, version=made.info.version)
    return made.info.version
