"""Drift: whether the pictures that a model is given are still of the kind that it was trained on.

    version, reference = read_reference(open_storage(Settings().storage), "edsr_x4")
    found = compare(reference, read_servers(["http://127.0.0.1:8080"], "edsr_x4"), Rules())
    found.verdict                       # "drifted", "steady" or "too few pictures"

A feature has drifted when its population stability index is large, which is the size of the change, and the
Kolmogorov-Smirnov test is sure, which is that the change is no accident of few pictures. Either alone misleads: two
halves of one set of 146 photos have an index of up to 0.6, and of 100,000 pictures the test notices everything.
"""

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loupe.distribution import DRIFTED, EDGES, LOOK, Distribution, Histogram, ks, psi
from loupe.errors import InvalidOption, LoupeError, ModelNotFound
from loupe.records import folder_of
from loupe.storage import KeyNotFound, Storage
from loupe.versions import serving_version

Verdict = Literal["drifted", "steady", "too few pictures"]
Reading = Literal["steady", "look", "drifted"]


class DriftError(LoupeError):
    """The version that serves has no reference distribution, or one of other buckets."""

    exit_code: ClassVar[int] = 16


class Rules(BaseModel):
    """When the pictures count as others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    psi: float = Field(default=DRIFTED, gt=0, description="population stability index from which a feature drifted")
    p_value: float = Field(
        default=0.01, gt=0, lt=1, description="of the Kolmogorov-Smirnov test, for all features together (Bonferroni)"
    )
    min_pictures: int = Field(default=100, ge=1, description="fewer observed ones say nothing")


@dataclass(frozen=True)
class FeatureDrift:
    """One feature: both histograms and what is between them."""

    name: str
    reference: Histogram
    observed: Histogram
    psi: float
    statistic: float
    p_value: float
    reading: Reading


@dataclass(frozen=True)
class Comparison:
    """All features, the most drifted first; none when there are too few pictures."""

    verdict: Verdict
    rules: Rules
    reference: float
    observed: float
    features: tuple[FeatureDrift, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the features that have."""
        return tuple(feature.name for feature in self.features if feature.reading == "drifted")


def read_reference(storage: Storage, model: str) -> tuple[str, Distribution]:
    """The version that serves and what it was trained on. Raises ModelNotFound, DriftError, StorageError."""
    version = serving_version(storage, model)
    if version is None:
        raise ModelNotFound(f"no version of {model} serves; promote one, see `loupe registry list`")
    key = f"{folder_of(model, version.version)}/features.json"
    advice = "register a version with training.reference's distribution, as the component package does"
    try:
        return version.version, Distribution.model_validate(json.loads(storage.read(key)))
    except KeyNotFound as error:
        raise DriftError(f"{key}: is not in storage, expected a reference distribution; {advice}") from error
    except (ValueError, ValidationError) as error:
        raise DriftError(f"{key}: is no reference distribution of this release ({error}); {advice}") from error


def compare(reference: Distribution, observed: Distribution, rules: Rules) -> Comparison:
    """What the observed pictures say. Raises InvalidOption when the reference has no pictures."""
    if not reference.count:
        raise InvalidOption("reference: got a distribution of no pictures, expected at least one")
    if observed.count < rules.min_pictures:
        return Comparison("too few pictures", rules, reference.count, observed.count, ())
    indices, tests = psi(reference, observed), ks(reference, observed)
    features = []
    for name, index in sorted(indices.items(), key=lambda each: -each[1]):
        test = tests[name]
        sure = test.p_value < rules.p_value / len(EDGES)
        reading: Reading = "steady" if not sure or index < min(LOOK, rules.psi) else "look"
        if sure and index >= rules.psi:
            reading = "drifted"
        histograms = reference.features[name], observed.features[name]
        features.append(FeatureDrift(name, *histograms, index, test.statistic, test.p_value, reading))
    verdict: Verdict = "drifted" if any(feature.reading == "drifted" for feature in features) else "steady"
    return Comparison(verdict, rules, reference.count, observed.count, tuple(features))
