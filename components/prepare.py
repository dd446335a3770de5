"""Packs one part of a manifest into a shard that training maps into memory."""

from kfp import dsl

from components import component


@component
def prepare(
    manifest: dsl.Input[dsl.Dataset], shard: dsl.Output[dsl.Dataset], part: str, scale: int = 4, recipe: str = ""
) -> int:
    """Pack the pictures of ``part``, a name that ``validate`` returned, at ``scale`` or that of ``recipe``.

    Returns the number of pictures.
    """
    from pathlib import Path

    from training.manifest import read_manifest
    from training.pack import open_pack
    from training.recipes import scale_of
    from training.shards import pack_part

    given = read_manifest(Path(manifest.path))
    scale = scale_of(recipe) if recipe else scale
    pack = open_pack(pack_part(given, part, Path(shard.path), scale=scale))
    shard.metadata.update(version=given.version, part=part, scale=scale, pictures=len(pack.entries), pixels=pack.pixels)
    print(f"{part}: {len(pack.entries)} pictures packed")
    return len(pack.entries)
