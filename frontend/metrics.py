"""What Prometheus reads at /metrics. One registry per application, so that two in one process do not mix."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.jobs import Jobs
from loupe.observed import Observer


class Metrics:
    """Counters of the page's server; job gauges are read from ``jobs`` when Prometheus asks."""

    def __init__(self, jobs: Jobs, *, observe_share: float = 1.0) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "loupe_web_requests",
            "Requests by route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "loupe_web_request_seconds",
            "Seconds from a request to the end of its answer",
            ["route"],
            buckets=(0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
            registry=self.registry,
        )
        self.tiles = Counter("loupe_web_tiles", "Tiles enlarged", registry=self.registry)
        self.drawn = Counter("loupe_web_drawn", "Pictures drawn from sketches", registry=self.registry)
        self.cache_hits = Counter("loupe_web_cache_hits", "Pictures answered from storage", registry=self.registry)
        self.observer = Observer(share=observe_share)  # here, since only tiles go on to the inference server
        self.registry.register(self.observer)
        running = Gauge("loupe_web_jobs_running", "Pictures being enlarged", registry=self.registry)
        running.set_function(lambda: jobs.running)
        waiting = Gauge("loupe_web_jobs_waiting", "Pictures in line", registry=self.registry)
        waiting.set_function(lambda: jobs.waiting)


class Measured:
    """ASGI middleware that counts requests by their route's pattern, not by their paths: those have no end."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        status = 499  # nothing was answered: the client had gone

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST"} else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - begun)
