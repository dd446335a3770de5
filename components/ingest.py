"""From a folder, a bucket, DIV2K or sample photos to a manifest, whose version is that of the data."""

from kfp import dsl

from components import component


@component
def ingest(
    manifest: dsl.Output[dsl.Dataset],
    data: str,
    valid: str = "",
    evaluation: list[str] = [],
    store: str = "runs/data",
    fingerprint: str = "",
) -> str:
    """List and hash the pictures; downloads stay in ``store``, which later steps must see too. Returns the version.

    ``fingerprint`` tells kfp's cache whether the data are the same as the last time: it sees their address only.
    """
    from pathlib import Path

    from training.manifest import make_manifest, write_manifest

    made = make_manifest(data, valid=valid or None, evaluation=evaluation, store=Path(store).absolute())
    write_manifest(made, Path(manifest.path))
    manifest.metadata.update(version=made.version, pictures=len(made.entries), fingerprint=fingerprint)
    print(f"{len(made.entries)} pictures, version {made.version[:12]}")
    return made.version
