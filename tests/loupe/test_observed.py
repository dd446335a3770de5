"""What servers count of the pictures that they are given."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from loupe.distribution import EDGES, Distribution
from loupe.images import Picture
from loupe.observed import METRIC, WAITING, Observer
from loupe.quality import measure


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def seen(observer: Observer, model: str) -> float:
    there = observer.distributions()
    return there[model].count if model in there else 0


def test_it_counts_by_model_what_distribution_counts(photo: NDArray[np.uint8]) -> None:
    observer = Observer()
    pictures = [Picture(color=photo), Picture(color=photo // 8)]
    for picture in pictures:
        observer.offer("a", picture)
    until(lambda: seen(observer, "a") == 2)
    observer.count("b", pictures[0])
    expected = Distribution.of([measure(picture) for picture in pictures])
    found = observer.distributions()
    assert found["b"] == Distribution.of([measure(pictures[0])])
    for name, histogram in expected.features.items():
        assert found["a"].features[name].counts == histogram.counts
        assert found["a"].features[name].mean == pytest.approx(histogram.mean)


def test_prometheus_reads_histograms_with_these_buckets(photo: NDArray[np.uint8]) -> None:
    registry, observer = CollectorRegistry(), Observer()
    registry.register(observer)
    for divisor in (1, 2, 8):
        observer.count("edsr_x4", Picture(color=photo // np.uint8(divisor)))
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    assert (family.name, family.type) == (METRIC, "histogram")
    light = [sample for sample in family.samples if sample.labels["feature"] == "light_mean"]
    buckets = [sample for sample in light if sample.name == f"{METRIC}_bucket"]
    assert [float(sample.labels["le"]) for sample in buckets] == [*EDGES["light_mean"], np.inf]
    values = [measure(Picture(color=photo // np.uint8(divisor))).light_mean for divisor in (1, 2, 8)]
    assert [sample.value for sample in buckets] == [sum(v <= edge for v in values) for edge in EDGES["light_mean"]] + [
        3
    ]
    assert {sample.value for sample in light if sample.name == f"{METRIC}_count"} == {3}
    (total,) = [sample.value for sample in light if sample.name == f"{METRIC}_sum"]
    assert total == pytest.approx(sum(values))


def test_a_share_is_measured(photo: NDArray[np.uint8]) -> None:
    small, none = Picture(color=photo[:8, :8]), Observer(share=0.0)
    for _ in range(20):
        none.offer("a", small)
    assert none._thread is None
    some, taken = Observer(share=0.3), 0
    for _ in range(400):
        some.offer("a", small)
        until(some._queue.empty)
    until(lambda: 70 < seen(some, "a") < 180)  # 120 +- 6 standard deviations
    taken = int(seen(some, "a"))
    assert 70 < taken < 180


def test_offering_never_waits_and_holds_few_pictures(photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    going, started = threading.Event(), threading.Event()

    def slow(picture: Picture) -> object:
        started.set()
        going.wait(20)
        return measure(picture)

    monkeypatch.setattr("loupe.observed.measure", slow)
    observer = Observer()
    observer.offer("a", Picture(color=photo))
    assert started.wait(20)
    for _ in range(50):
        observer.offer("a", Picture(color=photo))
    going.set()
    until(lambda: seen(observer, "a") == 1 + WAITING)
    until(observer._queue.empty)
    assert seen(observer, "a") == 1 + WAITING


def test_a_defect_does_not_end_the_watching(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(picture: Picture) -> object:
        raise MemoryError

    observer = Observer()
    with monkeypatch.context() as patch:
        patch.setattr("loupe.observed.measure", broken)
        observer.offer("a", Picture(color=photo))
        until(lambda: "512x512 could not be measured" in caplog.text)
    observer.offer("a", Picture(color=photo))
    until(lambda: seen(observer, "a") == 1)
