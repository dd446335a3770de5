"""A training on a cluster: submit the job, follow it to its end, and submit it again when its pods were taken away.

    run_job(train_job(job))         # returns when it has succeeded; logs come through line by line

What resumes is the training, from its ``--mirror``. A job of that name that exists is followed, not made twice: a
pipeline's step that is retried finds the job of its first try. Stopped by a signal, or failing itself, this deletes
the job; one that has come to its own end stays, for people to look at.
"""

import logging
from collections.abc import Mapping
from typing import Any

from loupe.cluster import ClusterError, connect
from loupe.errors import LoupeError
from training.api_server import Object, Server
from training.job import Manifest
from training.pods import KINDS, Pods
from training.stopping import Stop, catch_stop

LAST_PATIENCE = 15.0  # seconds, when we are told to stop: Kubernetes kills after 30

logger = logging.getLogger(__name__)


class JobFailed(LoupeError):
    """The job failed; the reason and the last lines of its log are in the message."""

    exit_code = 24


def run_job(manifest: Manifest, *, api: Any = None, retries: int = 1, preemptions: int = 20, poll: float = 2.0) -> None:
    """Submit ``manifest`` (a TrainJob or PyTorchJob) and return when it has succeeded.

    It is submitted again after failures, ``retries`` times, and after losses of pods, ``preemptions`` times.
    ``api``: a kubernetes ApiClient. Raises JobFailed, ClusterError, Cancelled.
    """
    api = api or connect()
    with catch_stop() as stop:
        job = _Job(api, manifest, stop, poll)
        stale = job.submit()
        try:
            while (why := job.follow()) is not None:
                if stale:
                    stale = False  # it had failed before we came
                elif job.disrupted:
                    preemptions -= 1
                else:
                    retries -= 1
                if min(preemptions, retries) < 0:
                    raise JobFailed(why)
                logger.warning("%s is submitted again, to resume: %s", job, why.splitlines()[0])
                job.delete()
                job.submit()
        except BaseException:
            if not job.ended:
                job.give_up(api)
            raise


class _Job:
    """One job. ``ended``: it came to its own end, or is not there."""

    def __init__(self, api: Any, manifest: Manifest, stop: Stop, poll: float) -> None:
        self._manifest, self._stop, self._poll = manifest, stop, poll
        self._name, self._namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        self._kind = KINDS[manifest["kind"]]
        self._server = Server(api, self._namespace, stop.pause)
        self._pods = Pods(self._server, self._kind, self._name, _say)
        self._uid = ""
        self.ended = True

    def __str__(self) -> str:
        return f"{self._manifest['kind']} {self._namespace}/{self._name}"

    @property
    def disrupted(self) -> str:
        """Which pod was taken away and why, or empty."""
        return self._pods.disrupted

    def submit(self) -> bool:
        """Create the job, or find the one there is. True if that has failed already."""
        while True:
            made = self._server.create(self._kind, self._manifest)
            there = made or self._server.get(self._kind, self._name)
            if there is not None and "deletionTimestamp" not in there["metadata"]:
                break
            self._stop.pause(self._poll)  # it is on its way out
        if (theirs := told_to_do(there)) != (ours := told_to_do(self._manifest)):
            raise ClusterError(f"{self}: got one that runs {theirs}, expected {ours}; delete it, or use another name")
        self._uid, self.ended = there["metadata"]["uid"], False
        self._pods = Pods(self._server, self._kind, self._name, _say)
        _say(f"{self}: {'submitted' if made else 'is there already, and is followed'}")
        return made is None and "Failed" in conditions_of(there)

    def follow(self) -> str | None:
        """Report until the end: None if it succeeded, otherwise why not."""
        said: set[str] = set()
        while True:
            job = self._server.get(self._kind, self._name)
            conditions = conditions_of(job or {})
            self.ended = job is None or "Failed" in conditions or self._kind.succeeded in conditions
            self._pods.look()  # after the job was read: if that was its end, this is the whole log
            if job is None or job["metadata"]["uid"] != self._uid:
                return f"{self}: somebody deleted it. {self._last_lines()}"
            for told in conditions.values():
                if told not in said:
                    said.add(told)
                    _say(f"{self}: {told}")
            if self._kind.succeeded in conditions:
                return None
            if "Failed" in conditions:
                lost = f"lost pod {self.disrupted}. " if self.disrupted else ""
                return f"{self}: {conditions['Failed']}. {lost}{self._last_lines()}"
            self._stop.pause(self._poll)

    def delete(self) -> None:
        """With its pods, and wait until all are gone."""
        self._server.delete(self._kind, self._name, self._uid)
        while (job := self._server.get(self._kind, self._name)) and job["metadata"]["uid"] == self._uid:
            self._stop.pause(self._poll)

    def give_up(self, api: Any) -> None:
        """Delete on the way out; what keeps us from it is said, with what a person should do."""
        try:
            server = Server(api, self._namespace)  # that no signal keeps from its work
            if self._has_ended(server):
                return  # since we looked last
            server.delete(self._kind, self._name, self._uid, patience=LAST_PATIENCE)
            _say(f"{self}: deleted")
        except LoupeError as error:
            place = f"-n {self._namespace} {self._kind.plural} {self._name}"
            logger.error("%s may still run: %s. Delete it: kubectl delete %s", self, error, place)

    def _has_ended(self, server: Server) -> bool:
        """As far as can be told: without the right to look, deleting is the safer."""
        try:
            conditions = conditions_of(server.get(self._kind, self._name) or {})
        except ClusterError:
            return False
        return "Failed" in conditions or self._kind.succeeded in conditions

    def _last_lines(self) -> str:
        return "Its last lines:\n" + "\n".join(self._pods.tail) if self._pods.tail else "It printed nothing."


def conditions_of(job: Mapping[str, Any]) -> dict[str, str]:
    """Conditions that are true, by type, with their reasons and messages."""
    return {
        each["type"]: ": ".join(filter(None, (each["type"], each.get("reason"), each.get("message"))))
        for each in job.get("status", {}).get("conditions") or ()
        if each["status"] == "True"
    }


def told_to_do(job: Object) -> str:
    """Image and command line, which the API server gives back as they were."""
    spec = job["spec"]
    if job["kind"] == "TrainJob":
        container = spec["trainer"]
    else:
        container = spec["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]
    return " ".join([container["image"], *container["command"], *container["args"]])


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the log of a step
