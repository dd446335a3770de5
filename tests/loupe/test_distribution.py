"""Distributions of features, and how far apart two are: against numbers by hand and against SciPy."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import special, stats

from loupe.distribution import DRIFTED, EDGES, Distribution, bucket_of, kolmogorov, ks, psi
from loupe.errors import InvalidOption
from loupe.images import Picture
from loupe.quality import FEATURES, Quality, measure


def quality(**values: float) -> Quality:
    usual = {name: edges[5] for name, edges in EDGES.items()} | {"width": 100, "height": 100}
    return Quality.model_validate({**usual, **values})


def of_light(levels: NDArray[np.float64]) -> Distribution:
    return Distribution.of(quality(light_mean=float(level)) for level in levels)


def test_every_feature_but_the_size_is_watched() -> None:
    assert set(EDGES) == set(FEATURES) - {"width", "height"}
    for edges in EDGES.values():
        assert 8 <= len(edges) + 1 <= 16
        assert list(edges) == sorted(set(edges))


def test_buckets_are_those_of_prometheus() -> None:
    """An edge is the upper end of its bucket and belongs to it."""
    assert [bucket_of("light_mean", level) for level in (0, 16, 16.001, 224, 255)] == [0, 0, 1, 11, 12]


def test_counts_and_means(photo: NDArray[np.uint8]) -> None:
    pictures = [photo, photo // 8, photo[:100, :100]]
    measured = [measure(Picture(color=picture)) for picture in pictures]
    made = Distribution.of(measured)
    assert made.count == 3
    for name, histogram in made.features.items():
        values = [getattr(each, name) for each in measured]
        assert histogram.count == 3
        assert histogram.mean == pytest.approx(np.mean(values))
        edges = [-np.inf, *np.nextafter(EDGES[name], np.inf), np.inf]
        assert list(histogram.counts) == np.histogram(values, edges)[0].tolist()


def test_json_there_and_back(photo: NDArray[np.uint8]) -> None:
    made = Distribution.of([measure(Picture(color=photo))])
    assert Distribution.model_validate_json(made.model_dump_json()) == made
    assert Distribution.of([]).count == 0


def test_other_buckets_are_refused() -> None:
    stored = Distribution.of([quality()]).model_dump()
    stored["features"]["entropy"]["edges"] = tuple(range(11))
    with pytest.raises(ValidationError, match=r"entropy: got buckets at .* measure it again"):
        Distribution.model_validate(stored)
    stored["features"]["entropy"]["counts"] = (1,)
    with pytest.raises(ValidationError, match="got 1 counts for 11 edges"):
        Distribution.model_validate(stored)
    del stored["features"]["entropy"]
    with pytest.raises(ValidationError, match="no histogram of entropy"):
        Distribution.model_validate(stored)


def test_psi_by_hand() -> None:
    reference = of_light(np.array([8.0] * 60 + [20.0] * 40))
    observed = of_light(np.array([8.0] * 20 + [20.0] * 30))
    expected = (0.4 - 0.6) * math.log(0.4 / 0.6) + (0.6 - 0.4) * math.log(0.6 / 0.4)
    # Each of the other eleven buckets holds half a picture of a hundred, and of fifty.
    expected += 11 * (0.5 / 50 - 0.5 / 100) * math.log(2)
    assert psi(reference, observed)["light_mean"] == pytest.approx(expected)
    assert psi(reference, observed)["entropy"] > 0  # all in one bucket, but of a hundred pictures and of fifty
    assert set(psi(reference, reference).values()) == {0.0}


def test_psi_does_not_go_to_infinity_where_nothing_overlaps() -> None:
    far = psi(of_light(np.full(500, 8.0)), of_light(np.full(500, 250.0)))["light_mean"]
    assert DRIFTED < far < 20


@pytest.mark.parametrize(("statistic", "size"), [(0.05, 50), (0.1, 50), (0.2, 50), (0.4, 50), (0.3, 4), (1.0, 100)])
def test_the_series_is_kolmogorovs(statistic: float, size: float) -> None:
    x = (size**0.5 + 0.12 + 0.11 / size**0.5) * statistic
    assert kolmogorov(statistic, size) == pytest.approx(special.kolmogorov(x), abs=1e-12)


def test_ks_is_a_bound_of_the_exact_test() -> None:
    generator = np.random.default_rng(0)
    for shift in (0, 3, 10, 30):
        a, b = generator.normal(110, 35, 300).clip(0, 255), generator.normal(110 + shift, 35, 200).clip(0, 255)
        binned, exact = ks(of_light(a), of_light(b))["light_mean"], stats.ks_2samp(a, b)
        assert binned.statistic <= exact.statistic
        assert binned.p_value >= exact.pvalue - 0.02  # asymptotic against exact
        assert binned.statistic >= exact.statistic - 0.05


def test_ks_says_drift_as_often_as_it_promises() -> None:
    """Without drift, one test in a hundred at most falls below 0.01."""
    generator = np.random.default_rng(1)
    draws = [generator.normal(110, 35, (2, 150)).clip(0, 255) for _ in range(200)]
    p_values = [ks(of_light(a), of_light(b))["light_mean"].p_value for a, b in draws]
    assert np.mean(np.array(p_values) < 0.01) <= 0.02


def test_no_pictures_no_comparison() -> None:
    some, none = of_light(np.array([100.0])), Distribution.of([])
    with pytest.raises(InvalidOption, match="observed: got a distribution of no pictures"):
        psi(some, none)
    with pytest.raises(InvalidOption, match="reference: got a distribution of no pictures"):
        ks(none, some)
