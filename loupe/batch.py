"""Many pictures from one place to another, in parts, each as often as it is asked and worked on only once.

    plan = plan_batch("s3://in/photos", "s3://out/larger", model="edsr_x4", format="WEBP")
    for part in plan.parts(200):                                # 1-of-3, 2-of-3, 3-of-3
        outcome = upscale_part(plan, part, upscaler)

A place is a folder, file:// or s3://bucket/prefix. Names and the tree are kept. Each result is written whole, and
after it a record (``.loupe-batch/{name}.json``): a picture is skipped when its result is there and was made of the
same bytes by the same version with the same options. So whatever stopped a run, the next one goes on.
"""

import hashlib
import logging
import posixpath
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loupe.backends import open_backend
from loupe.errors import BackendUnavailable, InvalidOption, NotAPicture, Overloaded, PictureTooLarge, StorageError
from loupe.files import is_picture, plan_keys
from loupe.images import FORMATS, decode, encode, format_of, media_type
from loupe.remote import RemoteBackend
from loupe.settings import Settings
from loupe.storage import FileStorage, KeyNotFound, Storage, checked_key, open_storage
from loupe.upscale import Upscaler

logger = logging.getLogger(__name__)
T = TypeVar("T")

RECORDS = ".loupe-batch"
PART = re.compile(r"([1-9][0-9]*)-of-([1-9][0-9]*)")
RETRIES = 5  # after the first attempt, with pauses of 1, 2, 4, 8 and 16 seconds: a server's restart
OF_THE_PICTURE = (NotAPicture, PictureTooLarge, InvalidOption, KeyNotFound)  # others are of the server or of storage


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Frozen):
    """One picture: keys at both places, and the result's format."""

    source: str
    target: str
    format: str


class Failure(_Frozen):
    """A picture without a result, and why."""

    source: str
    error: str


class Plan(_Frozen):
    """What to do; plain data, so that parts can be done by processes on other machines."""

    source: str
    target: str
    model: str
    scale: int = Field(default=0, description="the factor that the model must have; 0: any")
    quality: int | None = None
    items: tuple[Item, ...]
    refused: tuple[Failure, ...] = Field(default=(), description="pictures whose names cannot be a result's")

    def parts(self, pictures: int) -> list[str]:
        """Names of parts of at most ``pictures`` each, one at least. Raises InvalidOption."""
        if pictures < 1:
            raise InvalidOption(f"pictures of a part: got {pictures}, expected 1 or more")
        count = max(1, -(-len(self.items) // pictures))
        return [f"{number}-of-{count}" for number in range(1, count + 1)]

    def of(self, part: str) -> tuple[Item, ...]:
        """Every n-th picture. Raises InvalidOption."""
        if not (match := PART.fullmatch(part)) or int(match[1]) > int(match[2]):
            raise InvalidOption(f"part: got {part!r}, expected a name such as 1-of-4")
        return self.items[int(match[1]) - 1 :: int(match[2])]


class Record(_Frozen):
    """What a result was made of; it lies beside the result."""

    sha256: str = Field(description="of the source's bytes")
    model: str
    version: str
    format: str
    quality: int | None
    size: int = Field(description="of the result, in bytes")


class Outcome(_Frozen):
    """What came of a part."""

    made: int = 0
    skipped: int = 0
    failures: tuple[Failure, ...] = ()


def open_place(place: str) -> Storage:
    """The storage at a folder, file:// or s3://."""
    return open_storage(place) if "://" in place else FileStorage(Path(place))


def plan_batch(
    source: str, target: str, *, model: str, scale: int = 0, format: str = "", quality: int | None = None
) -> Plan:
    """All pictures below ``source``, hidden ones left out, and where each result goes.

    Without ``format`` each keeps its own, or becomes PNG where that cannot be written.

    Raises InvalidOption when there is no picture, a result would replace an input, or an option is wrong; StorageError.
    """
    chosen = format_of(format) if format else None
    if quality is not None and not 1 <= quality <= 100:
        raise InvalidOption(f"quality: got {quality}, expected 1 to 100")
    root, results = (f"{_absolute(place, '')}/" for place in (source, target))
    within = results.removeprefix(root) if results.startswith(root) else ""
    keys, refused = [], []
    for entry in open_place(source).list():
        if not is_picture(entry.key) or (within and entry.key.startswith(within)):
            continue  # no picture, or a result of an earlier run in a folder inside the source
        try:
            keys.append(checked_key(entry.key))
        except StorageError as error:
            refused.append(Failure(source=entry.key.encode("ascii", "backslashreplace").decode(), error=str(error)))
    if not keys and not refused:
        raise InvalidOption(f"{source}: got no pictures there, expected some ({', '.join(FORMATS)})")
    items = [
        Item(source=job.source.as_posix(), target=job.target.as_posix(), format=job.format)
        for job in plan_keys(keys, format=chosen)
    ]
    inputs = {_absolute(source, item.source) for item in items}
    for item in items:
        if _absolute(target, item.target) in inputs:
            raise InvalidOption(f"{item.target}: the result would replace an input; give another place for the results")
    return Plan(
        source=source,
        target=target,
        model=model,
        scale=scale,
        quality=quality,
        items=tuple(items),
        refused=tuple(refused),
    )


@contextmanager
def open_upscaler(model: str, settings: Settings, *, endpoint: str = "", retries: int = RETRIES) -> Iterator[Upscaler]:
    """``model`` in this process, or at the inference server at ``endpoint``; closed with the block.

    Raises as ``loupe.backends.open_backend``, and BackendUnavailable only when the server stays away.
    """
    backend = _patiently(lambda: open_backend(endpoint or "auto", model, settings), retries)
    try:
        yield Upscaler(backend, workers=4 if endpoint else 1, limits=settings.limits)
    finally:
        if isinstance(backend, RemoteBackend):
            backend.close()


def render_markdown(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    """What came of all parts, for people; the names of pictures are code, so nothing in them is markup."""

    def code(text: str) -> str:
        shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
        return "`" + shown.replace("|", "\\|").replace("`", "'") + "`"

    made, skipped = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("made", "skipped"))
    failures = failures_of(plan, outcomes)
    lines = [f"# Pictures enlarged by {plan.model}", "", f"From {code(plan.source)} to {code(plan.target)}.", ""]
    lines += [f"{made} made, {skipped} there already, {len(failures)} failed.", ""]
    if failures:
        lines += ["| picture | why it failed |", "|---|---|"]
        lines += [f"| {code(failure.source)} | {code(failure.error)} |" for failure in failures]
    return "\n".join([*lines, ""])


def failures_of(plan: Plan, outcomes: Sequence[Outcome]) -> list[Failure]:
    """Of all parts, and what was refused when they were planned, by name."""
    failures = [*plan.refused, *(failure for outcome in outcomes for failure in outcome.failures)]
    return sorted(failures, key=lambda failure: failure.source)


def upscale_part(plan: Plan, part: str, upscaler: Upscaler, *, retries: int = RETRIES) -> Outcome:
    """Enlarge what is not done yet. A picture's own fault goes into ``failures``.

    Raises BackendUnavailable, Overloaded and StorageError when the model's server or storage stays away.
    """
    scale = upscaler.backend.scale
    if plan.scale not in (0, scale):
        raise InvalidOption(f"scale: got {plan.scale}, expected {scale}, which is the factor of {plan.model}")
    source, target = open_place(plan.source), open_place(plan.target)
    sizes = {entry.key: entry.size for entry in target.list()}
    made = skipped = 0
    failures = []
    for item in plan.of(part):
        try:
            work = partial(_upscale, plan, item, source, target, upscaler, sizes.get(item.target))
            done = _patiently(work, retries)
            made, skipped = made + (done == "made"), skipped + (done == "skipped")
        except OF_THE_PICTURE as error:
            logger.warning("%s: %s", item.source, error)
            failures.append(Failure(source=item.source, error=str(error)))
    return Outcome(made=made, skipped=skipped, failures=tuple(failures))


def _upscale(
    plan: Plan, item: Item, source: Storage, target: Storage, upscaler: Upscaler, there: int | None
) -> Literal["made", "skipped"]:
    """One picture; ``there`` is the size of the result that lies there."""
    limits = upscaler.limits
    with source.open_read(item.source) as stream:
        data = stream.read(limits.max_bytes + 1)
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(f"{item.source}: more than {limits.max_bytes} bytes")
    digest = hashlib.sha256(data).hexdigest()
    quality = plan.quality if item.format in ("JPEG", "WEBP", "AVIF") else None
    version = upscaler.backend.version
    key = f"{RECORDS}/{item.target}.json"

    def record(size: int) -> Record:
        return Record(
            sha256=digest,
            model=plan.model,
            version=version,
            format=item.format,
            quality=quality,
            size=size,
        )

    if there is not None:
        with suppress(KeyNotFound, ValidationError):  # stopped between result and record, or it is damaged
            if Record.model_validate_json(target.read(key)) == record(there):
                return "skipped"
    larger = upscaler.upscale(decode(data, limits))
    if upscaler.backend.version != version:  # rolled out in the middle: tiles of both are in it
        raise BackendUnavailable(f"{item.source}: the model's version changed from {version} on; trying again")
    result = encode(larger, item.format, quality=quality, software=upscaler.provenance)
    target.delete(key)  # so that no record speaks of another result, wherever this is stopped
    target.write(item.target, result, media_type=media_type(item.format))
    target.write(key, record(len(result)).model_dump_json().encode(), media_type="application/json")
    return "made"


def _patiently(work: Callable[[], T], retries: int) -> T:
    """Try again where a server was away or full; storage does so itself (loupe/s3.py)."""
    for attempt in range(retries):
        try:
            return work()
        except (BackendUnavailable, Overloaded) as error:
            pause = max(2.0**attempt, getattr(error, "retry_after", 0.0))
            logger.warning("%s; trying again in %.0f s", error, pause)
            time.sleep(min(pause, 30.0))
    return work()


def _absolute(place: str, key: str) -> str:
    """One name for one thing, however its place was written."""
    if place.startswith("s3://"):
        return posixpath.join(place.rstrip("/"), key).rstrip("/")
    storage = open_place(place)
    if not isinstance(storage, FileStorage):
        raise StorageError(f"Not a place for pictures: got {place!r}, expected a folder, file:// or s3://")
    return (storage.root.resolve() / key).as_posix()
