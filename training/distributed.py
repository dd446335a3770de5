"""Who this process is among those that train together: ``torchrun`` says so in the environment.

The same ``python -m training`` line runs alone, under ``torchrun --nproc-per-node=2`` (gloo on CPU, nccl on GPU), and
in a Kubeflow TrainJob.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Process:
    """``rank`` of ``world`` processes, on ``device``. Rank 0 alone logs, validates and saves."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network on this device, gradients averaged over all processes."""
        network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.world == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        # Buffers are constants (means, masks), the same on all ranks: nothing to broadcast at each step.
        return DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)

    def barrier(self) -> None:
        if self.world > 1:
            dist.barrier()

    def share(self, path: Path, copy: Path) -> Path | None:
        """A file of rank 0 on every rank: ``path`` itself on rank 0, ``copy`` elsewhere; None if rank 0 has none.

        Machines share no disk: each could have a state of its own, or none.
        """
        if self.world == 1:
            return path if path.exists() else None
        size = torch.tensor([path.stat().st_size if self.is_main and path.exists() else -1], device=self.device)
        dist.broadcast(size, 0)
        if size.item() < 0:
            return None
        data = torch.empty(int(size.item()), dtype=torch.uint8)
        if self.is_main:
            data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
        data = data.to(self.device)
        dist.broadcast(data, 0)
        if self.is_main:
            return path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data.cpu().numpy().tobytes())
        return copy

    def any(self, flag: bool) -> bool:
        """True on all ranks if it is on one; for a stop signal that only some have seen."""
        if self.world == 1:
            return flag
        total = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(total)
        return bool(total.item() > 0)


@contextmanager
def join(device: str) -> Iterator[Process]:
    """Join the group that torchrun describes, and leave it at the end. ``device``: auto, cpu or cuda."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if kind == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(index)
        where = torch.device("cuda", index)
    else:
        where = torch.device("cpu")
    if world == 1:
        yield Process(0, 1, where)
        return
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Process(rank, world, where)
    finally:
        dist.destroy_process_group()
