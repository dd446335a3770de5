"""Measures every picture of a manifest into the parquet that Feast reads, and makes the Feast repository over it."""

from kfp import dsl

from components import component


@component
def features(
    manifest: dsl.Input[dsl.Dataset],
    table: dsl.Output[dsl.Dataset],
    repository: dsl.Output[dsl.Dataset],
    offline: str = "",
) -> int:
    """Write the folder ``table``, add to the parquet at ``offline`` if given, apply and materialize ``repository``.

    Returns the number of pictures. The online store is SQLite in the folder, or Redis by LOUPE_FEATURES_REDIS.
    """
    from pathlib import Path
    from urllib.parse import quote

    from training.features.measuring import measure_manifest, write_features
    from training.features.repository import FeatureSettings, make_repository
    from training.manifest import read_manifest

    given = read_manifest(Path(manifest.path))
    measured = measure_manifest(given)
    here = f"file://{quote(table.path)}"
    for uri in filter(None, (here, offline)):
        write_features(measured, uri)
    make_repository(Path(repository.path), FeatureSettings(offline=offline or here))
    for artifact in (table, repository):
        artifact.metadata.update(version=given.version, pictures=len(measured))
    print(f"{len(measured)} pictures measured")
    return len(measured)
