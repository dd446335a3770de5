"""The life of one uploaded picture, as events: ask for the model's version, look in storage, else enlarge.

    async for event in enlarge(order, desk): ...

Events are plain dicts, ready for NDJSON: any number of ``waiting`` and ``progress``, then one ``result``.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool

from frontend.jobs import Control, Done, Jobs, Waiting
from frontend.metrics import Metrics
from frontend.options import Options
from frontend.results import Result, Results, result_key
from frontend.settings import WebSettings
from loupe.errors import InvalidOption
from loupe.images import FORMATS, decode, encode, losses, media_type
from loupe.remote import RemoteBackend
from loupe.upscale import Progress, Upscaler, final_size


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for; the model is known to exist."""

    data: bytes
    model: str
    options: Options


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What orders are worked with."""

    settings: WebSettings
    jobs: Jobs
    results: Results
    metrics: Metrics


async def enlarge(order: Order, desk: Desk) -> AsyncGenerator[Mapping[str, object]]:
    """Tell an order's life. Raises LoupeErrors as they come; closing it stops the work."""
    backend = await run_in_threadpool(RemoteBackend, desk.settings.inference_url, order.model)
    with backend:
        version = backend.version
        key = result_key(order.data, model=order.model, version=version, options=order.options)
        known = await run_in_threadpool(desk.results.find, key)
        if known:
            desk.metrics.cache_hits.inc()
            yield told(key, await run_in_threadpool(desk.results.renew, key, known), cached=True)
            return
        tiles = 0
        async with aclosing(desk.jobs.run(partial(_work, order, desk, backend))) as events:
            async for event in events:
                match event:
                    case Waiting(ahead):
                        yield {"type": "waiting", "ahead": ahead}
                    case Progress(done, total):
                        desk.metrics.tiles.inc(done - tiles)
                        tiles = done
                        yield {"type": "progress", "done": done, "total": total}
                    case Done((key, result)):
                        yield told(key, result, cached=False)


def told(key: str, result: Result, *, cached: bool) -> dict[str, object]:
    """The last event: all there is to know about a result, and where it is."""
    record = result.model_dump(exclude={"expires"})
    return {"type": "result", "url": f"/api/results/{key}", "cached": cached, **record}


def _work(order: Order, desk: Desk, backend: RemoteBackend, control: Control[Progress]) -> tuple[str, Result]:
    """In a thread: decode, enlarge, encode, store. Nothing is written before the picture is whole."""
    settings, options, version = desk.settings, order.options, backend.version
    begun = time.monotonic()
    picture = decode(order.data, settings.limits)
    _check_side(options, final_size(picture, backend.scale, options.width, options.height))
    tiles = 0

    def report(progress: Progress) -> None:
        nonlocal tiles
        tiles = progress.total
        control.report(progress)

    upscaler = Upscaler(backend, tile=settings.job_tile, workers=settings.job_requests, limits=settings.limits)
    larger = upscaler.upscale(
        picture, width=options.width, height=options.height, progress=report, cancelled=control.cancelled
    )
    encoded = encode(
        larger,
        options.format,
        quality=options.quality,
        software=upscaler.provenance,
        keep_metadata=options.keep_metadata,
    )
    if backend.version != version:  # rolled out in the middle: tiles of both are in it
        version = f"{version}+{backend.version}"
    result = Result(
        width=larger.width,
        height=larger.height,
        input_width=picture.width,
        input_height=picture.height,
        format=options.format,
        media_type=media_type(options.format),
        bytes=len(encoded),
        model=order.model,
        version=version,
        scale=backend.scale,
        seconds=round(time.monotonic() - begun, 3),
        tiles=tiles,
        notes=(*larger.notes, *losses(larger, options.format)),
        expires=desk.results.expiry(),
    )
    key = result_key(order.data, model=order.model, version=version, options=options)
    desk.results.keep(key, encoded, result)
    desk.metrics.observer.offer(order.model, picture)
    return key, result


def _check_side(options: Options, size: tuple[int, int]) -> None:
    """Refuse what the format cannot hold now rather than after all the work."""
    most = FORMATS[options.format].max_side
    if max(size) > most:
        height, width = size
        raise InvalidOption(f"{options.format} holds at most {most} pixels a side, got {width}x{height}; use PNG")
