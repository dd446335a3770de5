"""Puts all that a version of a model is into one folder: weights, card, figures, TorchServe's layout, a smoke test."""

from kfp import dsl

from components import component


@component
def package(
    checkpoint: dsl.Input[dsl.Model],
    assessment: dsl.Input[dsl.Artifact],
    reference: dsl.Input[dsl.Artifact],
    package: dsl.Output[dsl.Artifact],
    storage: str = "",
    run: str = "",
    recipe: str = "",
) -> str:
    """Numbers the checkpoint after the versions in ``storage``, so it must not be cached. Returns name and number."""
    from pathlib import Path

    from loupe.assessment import read_assessment
    from loupe.records import Lineage
    from loupe.settings import Settings
    from loupe.storage import open_storage
    from serving.packaging import free_version, make_package
    from training.reference import read_reference

    assessed = read_assessment(Path(assessment.path))
    features, picture = read_reference(Path(reference.path))
    made = make_package(
        Path(package.path),
        Path(checkpoint.path),
        assessed,
        version=free_version(open_storage(storage or Settings().storage), assessed.model),
        features=features,
        lineage=Lineage(data=reference.metadata["version"], run=run, recipe=recipe),
        picture=picture,
    )
    package.metadata.update(model=made.info.name, version=made.info.version)
    return f"{made.info.name} version {made.info.version}"
