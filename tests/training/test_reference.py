"""The reference distribution of packs."""

from pathlib import Path

import pytest

from loupe.distribution import Distribution
from loupe.errors import InvalidOption
from loupe.images import Picture
from loupe.quality import measure
from training.pack import Pack, open_pack, pack_pictures
from training.reference import reference_distribution


def test_it_is_of_the_low_resolution_pictures(pack: Pack) -> None:
    made = reference_distribution([pack.folder], scale=4)
    pictures = [pack.picture(index, 4) for index in range(len(pack.entries))]
    assert made == Distribution.of(measure(Picture(color=picture)) for picture in pictures)
    whole = Distribution.of(measure(Picture(color=pack.picture(index))) for index in range(len(pack.entries)))
    assert made.features["sharpness"].mean > whole.features["sharpness"].mean


def test_a_limit_takes_from_all_packs(pack: Pack, photos: Path, tmp_path: Path) -> None:
    one = open_pack(pack_pictures([photos / "coffee.png"], tmp_path / "one", scales=(4,)))
    made = reference_distribution([one, pack], scale=4, limit=2)
    chosen = [one.picture(0, 4), pack.picture(1, 4)]
    assert made == Distribution.of(measure(Picture(color=picture)) for picture in chosen)
    assert reference_distribution([one, pack], scale=4).count == 5


def test_what_cannot_be_measured_is_said(pack: Pack) -> None:
    with pytest.raises(InvalidOption, match=r"scale: got 3, expected one that .* holds: 2, 4"):
        reference_distribution([pack], scale=3)
    with pytest.raises(InvalidOption, match="got 0 without any picture"):
        reference_distribution([], scale=4)
    with pytest.raises(InvalidOption, match="limit: got 0"):
        reference_distribution([pack], scale=4, limit=0)
