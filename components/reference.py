"""Keeps what a model was trained on, as far as its users need it: how features are spread, and an example to try."""

from kfp import dsl

from components import component


@component
def reference(shards: dsl.Input[list[dsl.Dataset]], reference: dsl.Output[dsl.Artifact]) -> None:
    """Write ``features.json`` (loupe.distribution) and ``example.png``, both of low-resolution pictures."""
    from pathlib import Path

    from training.reference import write_reference

    folders = {Path(shard.path): str(shard.metadata["part"]) for shard in shards}
    (scale,) = {int(shard.metadata["scale"]) for shard in shards}
    (version,) = {str(shard.metadata["version"]) for shard in shards}
    count = write_reference(Path(reference.path), folders, scale=scale)
    reference.metadata.update(version=version, scale=scale, pictures=count)
    print(f"features of {count} pictures")
