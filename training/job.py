"""Distributed training on a cluster, as data: a TrainJob of Kubeflow Trainer, or a PyTorchJob for older clusters.

    job = Job(name="edsr-x4", image="registry/worker:1.0", arguments=("--recipe", "edsr_x4"), nodes=2, gpus=1)
    manifest = train_job(job)       # trainer.kubeflow.org/v1alpha1, fields that 2.0 to 2.3 share
    manifest = pytorch_job(job)     # kubeflow.org/v1

Both run what a laptop runs, ``torchrun ... -m training --recipe ...``, and differ only in how a process learns
of the others. Nothing here talks to a cluster.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]

# RFC 1035, and short enough for what controllers append for pods and their host names, which may have 63 characters.
NAME = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")
# Kubeflow Trainer's webhook refuses a TrainJob with these; the training operator overwrites the others.
RESERVED = re.compile(r"PET_\w+|MASTER_ADDR|MASTER_PORT|WORLD_SIZE|RANK|LOCAL_RANK")
PORT = 23456  # the training operator's own default


@dataclass(frozen=True, kw_only=True)
class Job:
    """One distributed training. Resources are of one node, that is, of one pod."""

    name: str
    image: str
    arguments: tuple[str, ...]
    """What follows ``python -m training``; ``--recipe`` is among it."""
    namespace: str = "default"
    nodes: int = 1
    processes: int = 1
    """Of a node: on GPUs as many as ``gpus``."""
    cpu: str = "2"
    memory: str = "4Gi"
    gpus: int = 0
    gpu_resource: str = "nvidia.com/gpu"
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Variable -> (Secret, key): ``{"AWS_SECRET_ACCESS_KEY": ("loupe-s3", "AWS_SECRET_ACCESS_KEY")}``."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name: got {self.name!r}, expected a-z, 0-9 and '-', a letter first, at most 50")
        if not any(argument.partition("=")[0] == "--recipe" for argument in self.arguments):
            raise ValueError(f"arguments: got {' '.join(self.arguments)!r}, expected --recipe among them")
        for name in ("nodes", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected 1 or more")
        if self.gpus < 0:
            raise ValueError(f"gpus: got {self.gpus}, expected 0 or more")
        if self.gpus and self.processes != self.gpus:
            raise ValueError(f"processes: got {self.processes}, expected one for each of {self.gpus} GPUs of a node")
        if both := self.env.keys() & self.secrets.keys():
            raise ValueError(f"env: got {', '.join(sorted(both))} in secrets too, expected one place for each")
        if reserved := [key for key in (*self.env, *self.secrets) if RESERVED.fullmatch(key)]:
            raise ValueError(f"env: got {', '.join(reserved)}, expected none that the controller sets itself")


def train_job(job: Job, *, runtime: str = "torch-distributed") -> Manifest:
    """A TrainJob over a ClusterTrainingRuntime, whose torch plugin tells torchrun of the nodes by PET_*.

    Volumes, node selectors and security are the runtime's: their fields differ between 2.1 and 2.2.
    """
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": _metadata(job),
        "spec": {
            "runtimeRef": {"name": runtime},
            "trainer": {
                "image": job.image,
                "command": _torchrun(job),
                "args": list(job.arguments),
                "env": _env(job),
                "numNodes": job.nodes,
                "numProcPerNode": job.processes,
                "resourcesPerNode": _resources(job),
            },
        },
    }


def pytorch_job(
    job: Job,
    *,
    node_selector: Mapping[str, str] | None = None,
    service_account: str | None = None,
    retries: int = 3,
    keep_seconds: int = 24 * 3600,
) -> Manifest:
    """A PyTorchJob: a master and ``nodes - 1`` workers. A pod that is preempted starts again and resumes."""
    container: Manifest = {
        "name": "pytorch",  # the operator looks for this name
        "image": job.image,
        # The operator gives RANK (of the pod) and MASTER_*; torchrun sets its own for each process.
        "command": _torchrun(
            job, "--node-rank=$(RANK)", "--master-addr=$(MASTER_ADDR)", "--master-port=$(MASTER_PORT)"
        ),
        "args": list(job.arguments),
        "env": _env(job),
        "ports": [{"name": "pytorchjob-port", "containerPort": PORT}],
        "resources": _resources(job),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # NCCL and gloo exchange tensors there; a container's own is 64 MiB.
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],  # noqa: S108  # not a temporary file
    }
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}],
    }
    if node_selector:
        pod["nodeSelector"] = dict(node_selector)
    if service_account:
        pod["serviceAccountName"] = service_account
    replica: Manifest = {
        "restartPolicy": "OnFailure",
        "template": {
            # A mesh's sidecar would encrypt nothing here, hold the pod after training, and stand between the ranks.
            "metadata": {"labels": _labels(job), "annotations": {"sidecar.istio.io/inject": "false"}},
            "spec": pod,
        },
    }
    replicas = {"Master": {"replicas": 1, **replica}}
    if job.nodes > 1:
        replicas["Worker"] = {"replicas": job.nodes - 1, **replica}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": _metadata(job),
        "spec": {
            "nprocPerNode": str(job.processes),
            "pytorchReplicaSpecs": replicas,
            "runPolicy": {
                "backoffLimit": retries,
                "cleanPodPolicy": "Running",  # finished pods stay, with their logs
                "ttlSecondsAfterFinished": keep_seconds,
            },
        },
    }


def _torchrun(job: Job, *more: str) -> list[str]:
    """Nodes and processes are said here too: without them torchrun would train on each node alone, and be content."""
    return ["torchrun", f"--nnodes={job.nodes}", f"--nproc-per-node={job.processes}", *more, "-m", "training"]


def _metadata(job: Job) -> Manifest:
    return {"name": job.name, "namespace": job.namespace, "labels": _labels(job)}


def _labels(job: Job) -> dict[str, str]:
    return {"app.kubernetes.io/name": "loupe", "app.kubernetes.io/component": "training", **job.labels}


def _env(job: Job) -> list[Manifest]:
    return [
        *({"name": name, "value": value} for name, value in job.env.items()),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, (secret, key) in job.secrets.items()
        ),
    ]


def _resources(job: Job) -> Manifest:
    """Requests are limits, so that neither is a pod evicted for its neighbours nor are its neighbours for it."""
    amounts = {"cpu": job.cpu, "memory": job.memory}
    if job.gpus:
        amounts[job.gpu_resource] = str(job.gpus)
    return {"requests": dict(amounts), "limits": dict(amounts)}
