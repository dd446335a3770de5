"""The life of one sketch, as events: look in storage, else have it drawn and tell of each row, and keep what came.

    async for event in draw(order, desk): ...

Events are plain dicts, ready for NDJSON: any number of ``waiting`` and ``row``, then one ``result``. Each sample has a
seed and a key of its own, so that a seed asked for again is there, whatever was drawn beside it.
"""

import base64
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from frontend.jobs import Control, Done, Waiting
from frontend.results import Result, result_key
from frontend.work import Desk
from loupe.artists import made_by
from loupe.drawing import Bytes, DrawOptions, Given, encode_entropy, provenance, read_given, read_sketch
from loupe.errors import InvalidOption
from loupe.images import Picture, decode, encode
from loupe.remote_artist import RemoteArtist, encode_cells
from loupe.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for, as it came; the model is known to exist."""

    sketch: bytes
    model: str
    options: DrawOptions
    given: bytes | None = None
    mask: bytes | None = None


@dataclass(frozen=True)
class Row:
    """One row of each sample: a PNG whose lines are the samples."""

    y: int
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is drawn from, decoded and checked."""

    sketch: Bytes
    given: Given | None
    options: DrawOptions
    height: int
    width: int


class Part(BaseModel):
    """What decides one stored picture, beside what it was drawn from, and by which model."""

    model_config = ConfigDict(frozen=True)

    part: Literal["picture", "entropy"]
    temperature: float
    top_p: float
    seed: int


Keys = tuple[tuple[str, str], ...]
"""Of each sample: its picture's and its map's."""


async def draw(order: Order, desk: Desk) -> AsyncGenerator[Mapping[str, object]]:
    """Tell an order's life. Raises LoupeErrors as they come; closing it stops the work."""
    order.options.check(desk.settings.drawing)
    begun = time.monotonic()
    artist = await run_in_threadpool(RemoteArtist, desk.settings.inference_url, order.model)
    with artist:
        subject = await run_in_threadpool(_read, order, artist.scale, desk.settings)
        keys = _keys(subject, order.model, artist.version)
        if await run_in_threadpool(_find, keys, desk):
            desk.metrics.cache_hits.inc()
            yield _told(subject, keys, artist, cached=True, begun=begun)
            return
        async with aclosing(desk.jobs.run(partial(_work, subject, desk, artist))) as events:
            async for event in events:
                match event:
                    case Waiting(ahead):
                        yield {"type": "waiting", "ahead": ahead}
                    case Row(y, png):
                        image = base64.b64encode(png).decode()
                        yield {"type": "row", "y": y, "width": subject.width, "height": subject.height, "image": image}
                    case Done(keys):
                        yield _told(subject, keys, artist, cached=False, begun=begun)


def _read(order: Order, scale: int, settings: Settings) -> Subject:
    sketch = read_sketch(decode(order.sketch, settings.limits), settings.drawing)
    height, width = (side * scale for side in sketch.shape[:2])
    given = None
    if order.given is not None:
        mask = None if order.mask is None else decode(order.mask, settings.limits)
        given = read_given(decode(order.given, settings.limits), mask, height=height, width=width)
    elif order.mask is not None:
        raise InvalidOption("mask: got one without a picture, expected the field 'given' too")
    return Subject(sketch=sketch, given=given, options=order.options, height=height, width=width)


def _work(subject: Subject, desk: Desk, artist: RemoteArtist, control: Control[Row]) -> Keys:
    """In a thread: have it drawn, encode, store. Nothing is written before the pictures are whole."""
    begun = time.monotonic()
    drawing = artist.draw(
        subject.sketch,
        subject.options,
        subject.given,
        on_row=lambda y, row: control.report(Row(y, encode_cells(row))),
        cancelled=control.cancelled,
    )
    seconds = round(time.monotonic() - begun, 3)
    keys, by = _keys(subject, artist.name, artist.version), made_by(artist)
    for index, seed in enumerate(subject.options.seeds):
        software = provenance(by, [seed], subject.options)
        picture = encode(Picture(color=drawing.pictures[index]), "PNG", software=software)
        for key, data in zip(keys[index], (picture, encode_entropy(drawing.entropy[index])), strict=True):
            desk.results.keep(key, data, _record(subject, artist, len(data), seconds, desk.results.expiry()))
    desk.metrics.drawn.inc(subject.options.samples)
    return keys


def _keys(subject: Subject, model: str, version: str) -> Keys:
    options = subject.options
    data = str(subject.sketch.shape).encode() + subject.sketch.tobytes()
    if subject.given is not None:
        data += b"given" + subject.given.picture.tobytes() + subject.given.known.tobytes()

    def key(part: Literal["picture", "entropy"], seed: int) -> str:
        what = Part(part=part, temperature=options.temperature, top_p=options.top_p, seed=seed)
        return result_key(data, model=model, version=version, options=what)

    return tuple((key("picture", seed), key("entropy", seed)) for seed in options.seeds)


def _find(keys: Keys, desk: Desk) -> bool:
    """Whether all are in storage; then they are kept for a while longer."""
    found = {key: desk.results.find(key) for pair in keys for key in pair}
    if not all(found.values()):
        return False
    for key, result in found.items():
        if result:
            desk.results.renew(key, result)
    return True


def _record(subject: Subject, artist: RemoteArtist, size: int, seconds: float, expires: float) -> Result:
    return Result(
        width=subject.width,
        height=subject.height,
        input_width=subject.sketch.shape[1],
        input_height=subject.sketch.shape[0],
        format="PNG",
        media_type="image/png",
        bytes=size,
        model=artist.name,
        version=artist.version,
        scale=artist.scale,
        seconds=seconds,
        tiles=0,
        notes=("invented",),
        expires=expires,
    )


def _told(subject: Subject, keys: Keys, artist: RemoteArtist, *, cached: bool, begun: float) -> dict[str, object]:
    """The last event: each picture's seed and address, and its map's."""
    pictures = [
        {"seed": seed, "url": f"/api/results/{picture}", "entropy_url": f"/api/results/{entropy}"}
        for seed, (picture, entropy) in zip(subject.options.seeds, keys, strict=True)
    ]
    return {
        "type": "result",
        "cached": cached,
        "model": artist.name,
        "version": artist.version,
        "scale": artist.scale,
        "width": subject.width,
        "height": subject.height,
        "temperature": subject.options.temperature,
        "top_p": subject.options.top_p,
        "seconds": round(time.monotonic() - begun, 3),
        "pictures": pictures,
    }
