"""Measures every picture of a manifest into the parquet that Feast reads."""

from kfp import dsl

from components import component


@component
def features(manifest: dsl.Input[dsl.Dataset], table: dsl.Output[dsl.Dataset], offline: str = "") -> int:
    """Write the folder ``table`` and, if given, add to the parquet at ``offline``. Returns the number of pictures."""
    from pathlib import Path
    from urllib.parse import quote

    from training.features.measuring import measure_manifest, write_features
    from training.manifest import read_manifest

    given = read_manifest(Path(manifest.path))
    measured = measure_manifest(given)
    for uri in filter(None, (f"file://{quote(table.path)}", offline)):
        write_features(measured, uri)
    table.metadata["version"] = given.version
    table.metadata["pictures"] = len(measured)
    return len(measured)
