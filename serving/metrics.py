"""What Prometheus is told, by model, on ``/metrics`` of the embedded server and of the transformer.

TorchServe has a metrics machinery of its own: ``serving/handler.py`` reports the same names through it,
except for the features of pictures: what stands in front of it (the transformer) sees whole ones.
"""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from loupe.observed import Observer
from serving.enlarge import Outcome

# From a client's tile (tens of milliseconds) to a large photo on a CPU.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, observe_share: float = 1.0) -> None:
        self.requests = Counter("loupe_requests_total", "Requests answered", ["model", "status"], registry=registry)
        self.seconds = Histogram(
            "loupe_request_seconds", "Seconds of a request", ["model"], buckets=BUCKETS, registry=registry
        )
        self.tiles = Counter("loupe_tiles_total", "Tiles enlarged", ["model"], registry=registry)
        self.megapixels = Counter(
            "loupe_megapixels_total",
            "Megapixels taken in and made",
            ["model", "direction"],
            registry=registry,
        )
        self.in_flight = Gauge("loupe_requests_in_flight", "Requests at work or waiting", ["model"], registry=registry)
        self.observer = Observer(share=observe_share)
        registry.register(self.observer)

    def count_request(self, model: str, status: int, seconds: float) -> None:
        """One request answered, or given up (499), with its HTTP status."""
        self.requests.labels(model, str(status)).inc()
        self.seconds.labels(model).observe(seconds)

    def count_pixels(self, model: str, outcome: Outcome) -> None:
        """The pixels of one request."""
        self.megapixels.labels(model, "in").inc(outcome.pixels_in / 1e6)
        self.megapixels.labels(model, "out").inc(outcome.pixels_out / 1e6)
