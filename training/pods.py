"""The pods of a training job: what they print, why they wait, and whether they were taken away.

    pods = Pods(cluster, kind, "edsr-x4")
    pods.look()             # prints what is new
    pods.disrupted          # "edsr-x4-node-0-1: PreemptionByScheduler"

Logs are asked for again and again rather than followed: a stream that breaks, or stands still as long ones do
(kubernetes-client/python issues 199, 1234, 1546), then costs no line and no thread. Their times tell lines apart.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from urllib3.exceptions import HTTPError

OVERLAP = 10  # seconds that are asked for twice, for clocks and roundings
TAIL = 20
# PodStatus.reason of kubelet and node lifecycle; newer releases set the condition DisruptionTarget as well.
TAKEN = frozenset({"Evicted", "NodeAffinity", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"})
# Waiting reasons that are not simply the way to a start.
STUCK = frozenset(
    {"CrashLoopBackOff", "CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}
)


class Kind(NamedTuple):
    """What differs between the two kinds of job. ``main``: labels of the pod with rank 0."""

    group: str
    version: str
    plural: str
    name_label: str
    main: Mapping[str, str]
    container: str
    succeeded: str


KINDS: Mapping[str, Kind] = {
    # Labels that JobSet and the Job controller set; the container's name is that of Trainer's torch runtimes.
    "TrainJob": Kind(
        group="trainer.kubeflow.org",
        version="v1alpha1",
        plural="trainjobs",
        name_label="jobset.sigs.k8s.io/jobset-name",
        main={"jobset.sigs.k8s.io/replicatedjob-name": "node", "batch.kubernetes.io/job-completion-index": "0"},
        container="node",
        succeeded="Complete",
    ),
    "PyTorchJob": Kind(
        group="kubeflow.org",
        version="v1",
        plural="pytorchjobs",
        name_label="training.kubeflow.org/job-name",
        main={"training.kubeflow.org/replica-type": "master"},
        container="pytorch",
        succeeded="Succeeded",
    ),
}


class Cluster(Protocol):
    """What reading pods needs of the API server; the answers are as JSON has them."""

    def pods(self, selector: str) -> list[dict[str, Any]]: ...

    def log(self, pod: str, container: str, since: int | None) -> Iterator[bytes]:
        """Pieces of the log with times; nothing if there is none yet. Raises urllib3's HTTPError where it breaks."""


Time = tuple[datetime, int]


@dataclass
class _Pod:
    """How far a pod's log was printed: up to ``count`` lines of the time ``last``."""

    last: Time | None = None
    count: int = 0
    read_at: float | None = None  # when the last whole reading began
    done: bool = False
    said: set[str] = field(default_factory=set)


class Pods:
    """Of one job. ``disrupted``: which pod was taken away and why, or empty; ``tail``: the end of the log."""

    def __init__(self, cluster: Cluster, kind: Kind, name: str, say: Callable[[str], None]) -> None:
        self._cluster, self._kind, self._say = cluster, kind, say
        self._selector = f"{kind.name_label}={name}"
        self._pods: dict[str, _Pod] = {}
        self.disrupted = ""
        self.tail: deque[str] = deque(maxlen=TAIL)

    def look(self) -> None:
        """Print what is new since the last look."""
        for pod in sorted(self._cluster.pods(self._selector), key=lambda pod: pod["metadata"]["name"]):
            known = self._pods.setdefault(pod["metadata"]["uid"], _Pod())
            name, status = pod["metadata"]["name"], pod.get("status", {})
            for trouble in _troubles(status):
                if trouble not in known.said:
                    known.said.add(trouble)
                    self._say(f"pod {name}: {trouble}")
            if why := _taken(status):
                self.disrupted = self.disrupted or f"{name}: {why}"
            if not known.done and status.get("phase") not in (None, "Pending", "Unknown"):
                labels = pod["metadata"].get("labels", {})
                main = self._kind.main.items() <= labels.items()
                whole = self._read(name, known, "" if main else f"[{name}] ")
                known.done = whole and status["phase"] in ("Succeeded", "Failed")

    def _read(self, name: str, known: _Pod, prefix: str) -> bool:
        """Print the new lines of one pod; True if its log was read to its end."""
        began = time.monotonic()
        since = None if known.read_at is None else int(began - known.read_at) + OVERLAP
        mark, printed, seen = known.last, known.count, 0
        whole = True
        rest = b""
        lines: list[bytes] = []
        try:
            for piece in self._cluster.log(name, self._kind.container, since):
                *more, rest = (rest + piece).split(b"\n")
                lines += more
        except HTTPError:
            whole, rest = False, b""  # what was cut off comes again
        for raw in [*lines, rest]:
            stamp, _, text = raw.decode(errors="replace").partition(" ")
            at = parse_time(stamp)
            if at is None or (mark is not None and at < mark):
                continue
            if at == mark:
                seen += 1
                if seen <= printed:
                    continue
            if known.last is None or at > known.last:
                known.last, known.count = at, 0
            known.count += at == known.last
            line = prefix + text.rstrip("\r")
            self.tail.append(line)
            self._say(line)
        if whole:
            known.read_at = began
        return whole


def parse_time(stamp: str) -> Time | None:
    """RFC 3339 with as many decimals as there are, as something that compares; None for anything else."""
    head, _, fraction = stamp.partition(".")
    digits = fraction.rstrip("Z").partition("+")[0].partition("-")[0]
    zone = fraction[len(digits) :] if fraction else ""
    try:
        second = datetime.fromisoformat(head + zone)
        return second.astimezone(UTC), int((digits or "0").ljust(9, "0"))
    except ValueError:
        return None


def _troubles(status: Mapping[str, Any]) -> Iterator[str]:
    """Why a pod is not placed or does not start."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{condition.get('reason', 'waiting')}: {condition.get('message', '')}".rstrip(": ")
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in STUCK:
            yield f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")


def _taken(status: Mapping[str, Any]) -> str:
    """Why the cluster took the pod away; empty if it did not."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return str(condition.get("reason") or "DisruptionTarget")
    reason = str(status.get("reason") or "")
    return reason if reason in TAKEN else ""
