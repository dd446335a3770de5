"""How the features of many pictures are spread: a reference at training, what servers see, and how far apart they are.

    reference = Distribution.of(measure(picture) for picture in pictures)
    reference.model_dump_json()                    # features.json of a model's version
    psi(reference, observed)["light_mean"]         # 0.1 and more: look; 0.25 and more: another kind of pictures
    ks(reference, observed)["light_mean"].p_value

The buckets are the same everywhere, so a histogram that Prometheus has added up over servers can be compared with the
one that was made at training. A picture is in the first bucket whose edge is not below its feature (Prometheus's
``le``); above the last edge is one bucket more. Width and height are left out: people crop.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from loupe.errors import InvalidOption
from loupe.quality import Quality

# Chosen on photos of 1100 pixels made four times smaller, so that no bucket holds more than a quarter of them, and
# with room beyond them on the side of damage: dark, noisy, blurred, blocky, gray.
EDGES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "light_mean": (16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 192, 224),
        "light_spread": (10, 20, 30, 40, 45, 50, 55, 60, 65, 75, 90),
        "noise_sigma": (0.25, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 4, 6, 10, 16, 25),
        "sharpness": (50, 100, 200, 400, 600, 900, 1300, 1800, 2600, 4000, 8000, 16000),
        "blockiness": (0.9, 0.95, 0.98, 1, 1.02, 1.04, 1.07, 1.12, 1.2, 1.4, 1.8, 2.5),
        "colourfulness": (1, 10, 20, 30, 40, 50, 60, 75, 90, 110, 140),
        "entropy": (4, 5.5, 6, 6.5, 6.8, 7, 7.2, 7.4, 7.5, 7.6, 7.8),
        "edge_density": (0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.32, 0.4, 0.5),
    }
)
FLOOR = 0.5  # pictures that an empty bucket is taken to hold: nobody has seen enough to say that it never happens
# The usual reading; Siddiqi, Credit Risk Scorecards, Wiley 2006. Without any drift the index is about
# (buckets - 1) * (1/n + 1/m); Yurdakul and Naranjo, Journal of Risk Model Validation 14(4), 2020: so take 100 or more.
LOOK, DRIFTED = 0.1, 0.25

Count = Annotated[FiniteFloat, Field(ge=0)]


class Histogram(BaseModel):
    """Of one feature. Counts are fractions where Prometheus has extrapolated."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    edges: tuple[FiniteFloat, ...] = Field(description="upper ends of all buckets but the last, which has none")
    counts: tuple[Count, ...] = Field(description="pictures in each bucket, one more than edges")
    mean: FiniteFloat = Field(description="of the feature over all pictures; 0 without any")

    @property
    def count(self) -> float:
        """The number of pictures."""
        return math.fsum(self.counts)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"got {len(self.counts)} counts for {len(self.edges)} edges, expected one more")
        return self


class Distribution(BaseModel):
    """Of every feature in EDGES, over the same pictures; ``count`` is their number."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: Count
    features: dict[str, Histogram]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if missing := sorted(EDGES.keys() - self.features.keys()):
            raise ValueError(f"no histogram of {', '.join(missing)}; measure it again with this release")
        for name, edges in EDGES.items():
            if self.features[name].edges != edges:
                got = self.features[name].edges
                raise ValueError(f"{name}: got buckets at {got}, expected {edges}; measure it again with this release")
        return self

    @classmethod
    def of(cls, qualities: Iterable[Quality]) -> Self:
        """Of measured pictures; of none, all counts are 0."""
        counts = {name: [0] * (len(edges) + 1) for name, edges in EDGES.items()}
        sums = dict.fromkeys(EDGES, 0.0)
        total = 0
        for total, quality in enumerate(qualities, 1):  # noqa: B007 - the last one is their number
            for name, value in features_of(quality).items():
                counts[name][bucket_of(name, value)] += 1
                sums[name] += value
        return cls.from_sums(counts, sums, count=total)

    @classmethod
    def from_sums(cls, counts: Mapping[str, Iterable[float]], sums: Mapping[str, float], *, count: float) -> Self:
        """From what a counter holds: pictures in each bucket and the sum of each feature."""
        return cls(
            count=count,
            features={
                name: Histogram(edges=edges, counts=tuple(counts[name]), mean=sums[name] / count if count else 0.0)
                for name, edges in EDGES.items()
            },
        )


class KolmogorovSmirnov(NamedTuple):
    """``statistic`` is the largest difference of the two cumulative shares at an edge."""

    statistic: float
    p_value: float


def features_of(quality: Quality) -> dict[str, float]:
    """The features that are watched."""
    return {name: float(getattr(quality, name)) for name in EDGES}


def bucket_of(name: str, value: float) -> int:
    """The index of the bucket that ``value`` is in."""
    return sum(value > edge for edge in EDGES[name])


def psi(reference: Distribution, observed: Distribution) -> dict[str, float]:
    """Population stability index of each feature: 0 for the same shares, no upper end; see LOOK and DRIFTED.

    Sum over buckets of (o - r) ln(o / r) of the shares, an empty bucket being taken to hold FLOOR pictures. Raises
    InvalidOption where there are no pictures.
    """
    _check_pictures(reference, observed)
    result = {}
    for name in EDGES:
        pairs = zip(_shares(reference, name, FLOOR), _shares(observed, name, FLOOR), strict=True)
        result[name] = math.fsum((o - r) * math.log(o / r) for r, o in pairs)
    return result


def ks(reference: Distribution, observed: Distribution) -> dict[str, KolmogorovSmirnov]:
    """Two-sample Kolmogorov-Smirnov test of each feature, on buckets.

    Only edges are looked at, so the statistic is at most that of the pictures themselves, and the p-value at least
    theirs: it finds less, and never more. Raises InvalidOption where there are no pictures.
    """
    _check_pictures(reference, observed)
    size = reference.count * observed.count / (reference.count + observed.count)
    result = {}
    for name in EDGES:
        pairs = zip(accumulate(_shares(reference, name)), accumulate(_shares(observed, name)), strict=True)
        statistic = min(1.0, max(abs(r - o) for r, o in pairs))
        result[name] = KolmogorovSmirnov(statistic, kolmogorov(statistic, size))
    return result


def kolmogorov(statistic: float, size: float) -> float:
    """P(D >= statistic) under no difference, n m / (n + m) being ``size``.

    Kolmogorov's series 2 sum (-1)^(j-1) exp(-2 j^2 x^2), with Stephens's x = (sqrt(size) + 0.12 + 0.11 / sqrt(size)) D,
    good from a size of 4 on; Stephens, Journal of the Royal Statistical Society B 32, 1970.
    """
    root = math.sqrt(size)
    x = (root + 0.12 + 0.11 / root) * statistic
    if x < 0.2:  # beyond 1 - 1e-12, where the series would need very many terms
        return 1.0
    terms = (2 * (-1) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))


def _shares(distribution: Distribution, name: str, floor: float = 0.0) -> list[float]:
    histogram = distribution.features[name]
    return [max(count, floor) / histogram.count for count in histogram.counts]


def _check_pictures(reference: Distribution, observed: Distribution) -> None:
    for what, distribution in (("reference", reference), ("observed", observed)):
        if not all(histogram.count for histogram in distribution.features.values()):
            raise InvalidOption(f"{what}: got a distribution of no pictures, expected at least one")
