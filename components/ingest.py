"""From a folder, a bucket or DIV2K to a manifest, whose version is that of the data."""

from kfp import dsl

from components import component


@component
def ingest(
    manifest: dsl.Output[dsl.Dataset],
    data: str,
    valid: str = "",
    evaluation: list[str] = [],
    store: str = "runs/data",
) -> str:
    """List and hash the pictures; downloads stay in ``store``, which later steps must see too. Returns the version."""
    from pathlib import Path

    from training.manifest import make_manifest, write_manifest

    made = make_manifest(data, valid=valid or None, evaluation=evaluation, store=Path(store).absolute())
    write_manifest(made, Path(manifest.path))
    manifest.metadata["version"] = made.version
    manifest.metadata["pictures"] = len(made.entries)
    return made.version
