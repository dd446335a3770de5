"""What servers have seen of pictures, as a Distribution: from Prometheus over all pods, or from servers themselves.

    observed = read_prometheus("http://prometheus:9090", "edsr_x4", window="7d")
    observed = read_servers(["http://127.0.0.1:8000", "http://127.0.0.1:8080"], "edsr_x4")     # since they started

Prometheus's ``increase`` adds up over restarts and extrapolates to the ends of the window: counts are fractions, and
what a pod had counted before it was first scraped is missing. The API: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import logging
import math
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import ClassVar

import httpx
from pydantic import BaseModel, ValidationError

from loupe.distribution import EDGES, Distribution
from loupe.errors import InvalidOption, LoupeError
from loupe.observed import METRIC
from loupe.records import checked_name

logger = logging.getLogger(__name__)

RETRIES = 4  # after the first attempt, half a second later, then one, two, four
TIMEOUT = 20.0  # seconds of one attempt
WINDOW = re.compile(r"([0-9]+(ms|[smhdwy]))+")
SAMPLE = re.compile(rf"{METRIC}_(bucket|sum){{(.*)}} (\S+)(?: \d+)?", re.ASCII)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, dict[str, str], float]  # bucket or sum, labels, value


class MonitoringError(LoupeError):
    """Prometheus or a server does not answer, or does not say what Loupe's servers say."""

    status: ClassVar[int] = 502
    exit_code: ClassVar[int] = 25


class _Series(BaseModel):
    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(BaseModel):
    result: list[_Series]


class _Reply(BaseModel):
    """https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries."""

    data: _Vector


def read_prometheus(url: str, model: str, *, window: str = "7d", retries: int = RETRIES) -> Distribution:
    """Of the pictures that ``model`` enlarged within the window, on all pods. Raises MonitoringError, InvalidOption."""
    if not WINDOW.fullmatch(window):
        raise InvalidOption(f"window: got {window!r}, expected a duration of Prometheus's such as 12h or 7d")
    base, shown = _address(url)
    samples: list[Sample] = []
    for kind, labels in (("bucket", "feature, le"), ("sum", "feature")):
        query = f'sum by ({labels}) (increase({METRIC}_{kind}{{model="{checked_name(model)}"}}[{window}]))'
        asked = base.copy_with(path=f"{base.path.rstrip('/')}/api/v1/query", params={"query": query})
        content = _get(asked, f"Prometheus at {shown}", retries)
        try:
            reply = _Reply.model_validate_json(content)
            samples += [(kind, series.metric, float(series.value[1])) for series in reply.data.result]
        except (ValidationError, ValueError) as error:
            raise MonitoringError(
                f"{shown} does not answer as Prometheus: {content[:200]!r}; give the address before /api/v1"
            ) from error
    return _distribution(samples, f"Prometheus at {shown}")


def read_servers(urls: Sequence[str], model: str, *, retries: int = RETRIES) -> Distribution:
    """Of the pictures that ``model`` enlarged since the servers started. Raises MonitoringError, InvalidOption."""
    if not urls:
        raise InvalidOption("servers: got none, expected addresses of running servers such as http://127.0.0.1:8080")
    samples: list[Sample] = []
    for url in urls:
        base, shown = _address(url)
        content = _get(base.copy_with(path=f"{base.path.rstrip('/')}/metrics"), f"The server at {shown}", retries)
        for line in content.decode("utf-8", "replace").splitlines():
            if found := SAMPLE.fullmatch(line):
                labels = dict(LABEL.findall(found[2]))
                if labels.get("model") == checked_name(model):
                    samples.append((found[1], labels, float(found[3])))
    return _distribution(samples, ", ".join(_address(url)[1] for url in urls))


def _distribution(samples: Iterable[Sample], where: str) -> Distribution:
    """From cumulative buckets, as Prometheus has them. No samples at all are no pictures."""
    below: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    sums: dict[str, float] = dict.fromkeys(EDGES, 0.0)
    for kind, labels, value in samples:
        feature = labels.get("feature", "")
        if kind == "sum":
            sums[feature] = sums.get(feature, 0.0) + value
        else:
            below[feature][float(labels["le"])] += value
    if not below:
        return Distribution.of([])
    counts = {}
    for name, edges in EDGES.items():
        ends = sorted(below[name])
        if ends != [*edges, math.inf]:
            raise MonitoringError(
                f"{where}: got buckets of {name} at {ends}, expected {list(edges)} and above; "
                "the servers run another release of Loupe than this one: bring both to the same"
            )
        reached = [0.0, *(below[name][end] for end in ends)]
        counts[name] = [max(0.0, high - low) for low, high in pairwise(reached)]  # extrapolation may cross
    return Distribution.from_sums(counts, sums, count=math.fsum(counts["light_mean"]))


def _address(url: str) -> tuple[httpx.URL, str]:
    """The address, and as it may be shown: without a password."""
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidOption(f"Not an address ({error}); expected http://host:port") from error
    shown = str(base.copy_with(username=None, password=None)).rstrip("/")
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise InvalidOption(f"Not an address: got {shown!r}, expected http://host:port")
    return base, shown


def _get(url: httpx.URL, who: str, retries: int) -> bytes:
    """The body of a 200. What another attempt may mend is tried again with growing pauses."""
    for attempt in range(retries + 1):
        try:
            answer = httpx.get(url, timeout=TIMEOUT, trust_env=False)
        except httpx.RequestError as error:
            failure = (
                f"{who} does not answer: {str(error) or type(error).__name__}. Check that it runs, and the address."
            )
        else:
            if answer.status_code == httpx.codes.OK:
                return answer.content
            failure = f"{who} answered {answer.status_code}: {_said(answer)}"
            if not (answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS):
                raise MonitoringError(f"{failure}. Check the address, and what is needed to get in.")
        if attempt < retries:
            logger.info("attempt %d: %s", attempt + 1, failure)
            time.sleep(0.5 * 2**attempt * random.uniform(1.0, 1.5))
    raise MonitoringError(f"{failure} Tried {retries + 1} times.")


def _said(answer: httpx.Response) -> str:
    """Prometheus's own word of what is wrong, or the status's."""
    try:
        message = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        message = answer.reason_phrase
    return str(message)[:300]
