"""Where and with what the steps of a compiled pipeline run. ``LAPTOP`` is this machine.

    placement = Placement(secret="loupe-s3", config_map="loupe", volume_claim="loupe-data", gpus=1)
    task = placement.place(train(...), cpu="4", memory="8Gi", gpu=True)

A step's own needs (cores, memory, whether it uses GPUs, whether its answer may come from the cache) are said by the
DAG; what the cluster is like is said here. Under the local runner only caching and retries have an effect.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kfp import kubernetes

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
STORAGE = "LOUPE_STORAGE"
ADDRESS = ("S3_ENDPOINT_URL", "AWS_REGION")  # Amazon's own S3 needs neither
EFFECTS = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")
BACKOFF = {"backoff_duration": "30s", "backoff_factor": 2.0, "backoff_max_duration": "600s"}

# RFC 1123; label values and the names behind a prefix as Kubernetes' validation has them.
SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
WORD = r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
QUALIFIED = re.compile(rf"([a-z0-9][-a-z0-9.]*/)?{WORD}", re.ASCII)
LABEL = re.compile(rf"({WORD})?", re.ASCII)
CPU = re.compile(r"(?=.*[1-9])(\d+(\.\d+)?|\d+m)", re.ASCII)
MEMORY = re.compile(r"[1-9]\d*[EPTGMK]i?", re.ASCII)


def _check(name: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(f"{name}: got {value!r}, expected {expected}")


@dataclass(frozen=True, kw_only=True)
class Toleration:
    """A taint that does not keep a step away; without ``value`` whatever it is, without ``effect`` every one."""

    key: str
    value: str | None = None
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""

    def __post_init__(self) -> None:
        _check("toleration's key", self.key, QUALIFIED, "a taint's key such as nvidia.com/gpu")
        _check("toleration's value", self.value or "", LABEL, "a label's value")
        if self.effect not in EFFECTS:
            raise ValueError(f"toleration's effect: got {self.effect!r}, expected one of {', '.join(EFFECTS[1:])}")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What is the same for every step of a pipeline. Secret, ConfigMap and claim are in the namespace of the run."""

    secret: str = ""
    """Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    config_map: str = ""
    """ConfigMap with LOUPE_STORAGE and, unless it is Amazon's, S3_ENDPOINT_URL; AWS_REGION is read too."""
    volume_claim: str = ""
    """PersistentVolumeClaim that all steps mount; ReadWriteMany unless all run on one node."""
    volume_path: str = "/data"
    gpus: int = 0
    """Of a step that can use them."""
    accelerator: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    retries: int | None = None
    """Instead of what each step says."""
    caching: bool = True
    """False: no step is answered from the cache, whatever it says."""

    def __post_init__(self) -> None:
        for name in ("secret", "config_map", "volume_claim"):
            if value := getattr(self, name):
                _check(name, value, SUBDOMAIN, "a name of a-z, 0-9, '-' and '.'")
        for value in self.image_pull_secrets:
            _check("image_pull_secrets", value, SUBDOMAIN, "names of a-z, 0-9, '-' and '.'")
        for key, value in self.node_selector.items():
            _check("node_selector's label", key, QUALIFIED, "a label such as kubernetes.io/arch")
            _check(f"node_selector's {key}", value, LABEL, "a label's value")
        _check("accelerator", self.accelerator, QUALIFIED, "a resource's name such as nvidia.com/gpu")
        if not self.volume_path.startswith("/") or not self.volume_path.strip("/") or ":" in self.volume_path:
            raise ValueError(f"volume_path: got {self.volume_path!r}, expected an absolute path other than /")
        for name, count in (("gpus", self.gpus), ("retries", self.retries or 0)):
            if count < 0:
                raise ValueError(f"{name}: got {count}, expected 0 or more")

    @property
    def store(self) -> str:
        """Folder of downloads that every step sees: on the claim, or one of this machine."""
        return f"{self.volume_path.rstrip('/')}/store" if self.volume_claim else "runs/data"

    def place(
        self, task: Any, *, cpu: str = "1", memory: str = "2Gi", gpu: bool = False, cache: bool = True, retries: int = 2
    ) -> Any:  # kfp is untyped
        """The task itself, with what it asks for (requests and limits alike) and what the cluster gives it."""
        _check("cpu", cpu, CPU, "cores such as 2, 0.5 or 500m")
        _check("memory", memory, MEMORY, "bytes with a unit, such as 2Gi")
        task.set_cpu_request(cpu).set_cpu_limit(cpu).set_memory_request(memory).set_memory_limit(memory)
        if gpu and self.gpus:
            task.set_accelerator_type(self.accelerator).set_accelerator_limit(self.gpus)
        if times := retries if self.retries is None else self.retries:
            task.set_retry(times, **BACKOFF)
        if not (cache and self.caching):
            task.set_caching_options(False)
        return self._on_cluster(task)

    def _on_cluster(self, task: Any) -> Any:
        if self.secret:
            kubernetes.use_secret_as_env(task, self.secret, {key: key for key in CREDENTIALS})
        if self.config_map:
            kubernetes.use_config_map_as_env(task, self.config_map, {STORAGE: STORAGE})
            kubernetes.use_config_map_as_env(task, self.config_map, {key: key for key in ADDRESS}, optional=True)
        if self.volume_claim:
            kubernetes.mount_pvc(task, self.volume_claim, self.volume_path)
        for label, value in self.node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for one in self.tolerations:
            operator: Literal["Equal", "Exists"] = "Exists" if one.value is None else "Equal"
            kubernetes.add_toleration(task, one.key, operator, one.value, one.effect or None)
        if self.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(self.image_pull_secrets))
        return task


LAPTOP = Placement(retries=0)  # kfp would wait for half a minute before it repeats a failed step here too
