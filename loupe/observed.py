"""Which pictures a server is given: their features in histograms, for Prometheus to read and drift to be seen.

    observer = Observer(share=settings.observe_share)
    registry.register(observer)                # prometheus_client's; /metrics then has loupe_picture_feature
    observer.offer("edsr_x4", picture)         # at once; measured by a thread of its own

Whole pictures only: a tile has other statistics than the picture it is cut from. So whoever decodes what a person sent
offers it (the page's server, the transformer, the embedded server), and a request for a tile says so by TILE_HEADER.
"""

import logging
import queue
import random
import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from loupe.distribution import EDGES, Distribution, bucket_of, features_of
from loupe.images import Picture
from loupe.quality import measure

if TYPE_CHECKING:
    from prometheus_client.core import HistogramMetricFamily

logger = logging.getLogger(__name__)

METRIC = "loupe_picture_feature"
WAITING = 2  # pictures; they are held in memory until measured


class Observer:
    """Counts the features of pictures by model. Thread-safe; a collector of prometheus_client."""

    def __init__(self, *, share: float = 1.0) -> None:
        """``share`` of the pictures offered are measured, chosen at random; 0 measures none."""
        self._share = share
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, list[int]]] = {}
        self._sums: dict[str, dict[str, float]] = {}
        self._queue: queue.Queue[tuple[str, Picture]] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    def offer(self, model: str, picture: Picture) -> None:
        """Never waits: a picture that comes while WAITING others are in line is passed over."""
        if random.random() >= self._share:
            return
        try:
            self._queue.put_nowait((model, picture))
        except queue.Full:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
                self._thread.start()

    def count(self, model: str, picture: Picture) -> None:
        """Measure one now: about 25 ms a megapixel."""
        measured = features_of(measure(picture))
        with self._lock:
            counts = self._counts.setdefault(model, {name: [0] * (len(edges) + 1) for name, edges in EDGES.items()})
            sums = self._sums.setdefault(model, dict.fromkeys(EDGES, 0.0))
            for name, value in measured.items():
                counts[name][bucket_of(name, value)] += 1
                sums[name] += value

    def distributions(self) -> dict[str, Distribution]:
        """What was seen so far, by model."""
        with self._lock:
            return {
                model: Distribution.from_sums(counts, self._sums[model], count=sum(next(iter(counts.values()))))
                for model, counts in self._counts.items()
            }

    def collect(self) -> "Iterator[HistogramMetricFamily]":
        """For prometheus_client, whose own Histogram has one set of buckets for all labels."""
        from prometheus_client.core import HistogramMetricFamily

        said = "Whole pictures that were enlarged, by a feature of theirs (loupe/quality.py)"
        family = HistogramMetricFamily(METRIC, said, labels=["model", "feature"])
        for model, distribution in sorted(self.distributions().items()):
            for name, histogram in distribution.features.items():
                ends = [*(str(float(edge)) for edge in histogram.edges), "+Inf"]
                buckets = list(zip(ends, accumulate(histogram.counts), strict=True))
                family.add_metric([model, name], buckets, histogram.mean * distribution.count)
        yield family

    def _run(self) -> None:
        while True:
            model, picture = self._queue.get()
            try:
                self.count(model, picture)
            except Exception:  # a defect or no memory here must not end what is watched from now on
                logger.exception("a picture of %dx%d could not be measured", picture.width, picture.height)
