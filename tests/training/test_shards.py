"""Parts of a manifest."""

from pathlib import Path

import numpy as np
import pytest

from loupe.errors import InvalidOption, StorageError
from loupe.storage import open_storage
from training.data import Crops
from training.manifest import Entry, Manifest, ManifestError, Split
from training.pack import join_packs, open_pack, pack_pictures
from training.shards import entries_of, fetch_shard, open_shards, pack_part, plan_parts


def manifest_of(**counts: int) -> Manifest:
    splits: tuple[Split, ...] = ("train", "valid", "eval")
    entries = [
        Entry(source="set", path=f"{split}{n:02}.png", sha256=f"{n:064x}", size=1, width=99, height=99, split=split)
        for split in splits
        for n in range(counts.get(split, 0))
    ]
    return Manifest(sources={"set": "nowhere"}, entries=tuple(entries))


def test_parts_hold_every_picture_to_train_or_validate_on_once() -> None:
    manifest = manifest_of(train=7, valid=2, eval=3)
    parts = plan_parts(manifest, 3)
    assert parts == ["train-1-of-3", "train-2-of-3", "train-3-of-3", "valid-1-of-1"]
    packed = [entry for part in parts for entry in entries_of(manifest, part)]
    assert sorted(packed, key=lambda entry: entry.name) == list(manifest.of("train", "valid"))
    assert all(1 <= len(entries_of(manifest, part)) <= 3 for part in parts)


@pytest.mark.parametrize("part", ["", "train", "eval-1-of-1", "train-0-of-1", "train-3-of-2", "train-1-of-2 "])
def test_a_name_of_no_part_is_refused(part: str) -> None:
    with pytest.raises(InvalidOption, match="expected a name such as train-1-of-4"):
        entries_of(manifest_of(train=2), part)


def test_no_part_of_nothing() -> None:
    with pytest.raises(InvalidOption, match="got 0, expected 1 or more"):
        plan_parts(manifest_of(train=2), 0)
    with pytest.raises(ManifestError, match=r"valid-1-of-1: got no pictures"):
        pack_part(manifest_of(train=2), "valid-1-of-1", Path("unused"), scale=4)


@pytest.mark.parametrize("scale", [-2, 0, 1, 5, 8])
def test_a_scale_that_packs_cannot_hold_is_refused(scale: int) -> None:
    with pytest.raises(InvalidOption, match=f"scale: got {scale}, expected"):
        pack_part(manifest_of(train=2), "train-1-of-1", Path("unused"), scale=scale)


def packs_of(photos: Path, folder: Path) -> list[Path]:
    """Each photo a shard."""
    return [
        pack_pictures([path], folder / f"train-{number}-of-4", scales=(4,))
        for number, path in enumerate(sorted(photos.iterdir()), 1)
    ]


def test_shards_are_one_pack_whatever_their_order(photos: Path, tmp_path: Path) -> None:
    folders = packs_of(photos, tmp_path)
    joined = open_shards([str(folder) for folder in folders], tmp_path)
    assert joined == open_shards([str(folder) for folder in reversed(folders)], tmp_path)
    assert joined.version == open_shards([str(folder) for folder in folders], tmp_path).version
    assert joined.version != open_shards([str(folders[0])], tmp_path).version
    assert joined.scales == (4,)
    whole = open_pack(pack_pictures(sorted(photos.iterdir()), tmp_path / "whole", scales=(2, 4)))
    assert joined.pixels == whole.pixels
    by_name = {entry.name: index for index, entry in enumerate(whole.entries)}
    assert {entry.name for entry in joined.entries} == set(by_name)
    for index, entry in enumerate(joined.entries):
        for scale in (1, 4):
            np.testing.assert_array_equal(joined.picture(index, scale), whole.picture(by_name[entry.name], scale))


def test_crops_are_cut_from_all_shards(photos: Path, tmp_path: Path) -> None:
    joined = open_shards([str(folder) for folder in packs_of(photos, tmp_path)], tmp_path)
    for index in range(4):
        weights = tuple(float(index == other) for other in range(4))
        crops = Crops(pack=joined, scale=4, patch=16, batch=2, weights=weights)
        levels = {tuple(pixel) for pixel in joined.picture(index).reshape(-1, 3).tolist()}
        seen = crops.at(0, crops.cumulative()).hr.permute(0, 2, 3, 1).reshape(-1, 3).tolist()
        assert {tuple(pixel) for pixel in seen} <= levels


def test_nothing_or_no_common_scale_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="packs: got none"):
        join_packs([])
    first, second, *_ = sorted(photos.iterdir())
    packs = [open_pack(pack_pictures([path], tmp_path / str(s), scales=(s,))) for path, s in ((first, 2), (second, 4))]
    with pytest.raises(ValueError, match="expected one that all have"):
        join_packs(packs)
    with pytest.raises(InvalidOption, match=r"expected the folder of a pack, with pack\.json"):
        open_shards([str(photos)], tmp_path)


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_shard_in_storage_is_fetched_once(
    kind: str, photos: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    uri = f"file://{tmp_path / 'there'}" if kind == "file" else request.getfixturevalue("bucket")
    storage = open_storage(uri)
    first, second, *_ = packs_of(photos, tmp_path / "made")

    def publish(folder: Path) -> None:
        for path in folder.iterdir():
            storage.write(f"shard/{path.name}", path.read_bytes())

    publish(first)
    folder = fetch_shard(f"{uri}/shard", tmp_path / "store")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        p.name: p.read_bytes() for p in first.iterdir()
    }
    inode = (folder / "hr.u8").stat().st_ino
    assert fetch_shard(f"{uri}/shard", tmp_path / "store") == folder
    assert (folder / "hr.u8").stat().st_ino == inode, "nothing has changed there"
    publish(second)
    assert open_shards([f"{uri}/shard"], tmp_path / "store").entries == open_pack(second).entries
    with pytest.raises(InvalidOption, match=r"expected a pack, with pack\.json"):
        fetch_shard(f"{uri}/nothing", tmp_path / "store")


def test_a_download_that_stops_leaves_no_shard(photos: Path, tmp_path: Path) -> None:
    shard = packs_of(photos, tmp_path / "made")[0]
    (shard / "lr_x4.u8").unlink()
    (shard / "lr_x4.u8").symlink_to("lr_x4.u8")  # the second file to be read; nobody can, not even root
    with pytest.raises(StorageError, match=r"lr_x4\.u8"):
        fetch_shard(f"file://{shard}", tmp_path / "store")
    assert not list((tmp_path / "store" / "shards").glob("[!.]*"))
