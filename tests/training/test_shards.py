"""Parts of a manifest."""

from pathlib import Path

import pytest

from loupe.errors import InvalidOption
from training.manifest import Entry, Manifest, ManifestError, Split
from training.shards import entries_of, pack_part, plan_parts


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
