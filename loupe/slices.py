"""Slices: the pictures of a set that have something in common, by their features (``loupe/quality.py``).

    for name in slices_of(quality): ...         # "dark", "flat"

A model that gains on average may lose where it matters, so each slice is looked at by itself. Bounds are absolute: a
slice means the same in every set. Several may hold a picture, and many pictures are in none. B100 below is the set of
100 photos that published tables use, with Set5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loupe.quality import Quality


@dataclass(frozen=True, kw_only=True)
class Slice:
    """``told`` says to a person which pictures are in it, and why there."""

    holds: Callable[[Quality], bool]
    told: str


SLICES: Mapping[str, Slice] = {
    "dark": Slice(holds=lambda q: q.light_mean < 64, told="mean light below 64, a quarter of the range"),
    "bright": Slice(holds=lambda q: q.light_mean > 160, told="mean light above 160: brighter than 95% of B100"),
    "noisy": Slice(holds=lambda q: q.noise_sigma > 5, told="noise above 5 levels: noisier than 95% of B100"),
    "blocky": Slice(
        holds=lambda q: q.blockiness > 1.2,
        told="blockiness above 1.2: clean pictures of B100 end at 1.19, photos saved as JPEG 60 begin at 1.27",
    ),
    "soft": Slice(
        holds=lambda q: q.sharpness < 100, told="sharpness below 100, where it looks soft (loupe/quality.py)"
    ),
    "flat": Slice(holds=lambda q: q.edge_density < 0.05, told="edges on less than 5%: less texture than 90% of B100"),
    "textured": Slice(holds=lambda q: q.edge_density > 0.25, told="edges on more than 25%: the upper quarter of B100"),
    "gray": Slice(
        holds=lambda q: q.colourfulness < 15, told="colourfulness below 15, the least that one sees as colour"
    ),
}


def slices_of(quality: Quality) -> tuple[str, ...]:
    """The names of the slices that a picture of such features belongs to, in the order of SLICES."""
    return tuple(name for name, each in SLICES.items() if each.holds(quality))
