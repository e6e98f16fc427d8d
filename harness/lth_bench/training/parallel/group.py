"""The ranks of a training, of which this process is one, and what they say to each other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from lth_bench.errors import UserError
from lth_bench.training.input.task_data import Share

VARIABLE = "LTH_BENCH_RANK_SECONDS"
"""Names the time that a rank may take to answer."""
SECONDS = 600.0
"""Seconds for a rank's answer; reading its part of a batch from a slow disk is within them."""
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def rank_seconds() -> float:
    """Seconds that a rank may take to answer. UserError where the variable has no such number."""
    given = os.environ.get(VARIABLE) or str(SECONDS)
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(given)) < float("inf"):
            return seconds
    raise UserError(f"{VARIABLE} must be a number of seconds above 0, but got {given!r}")


@dataclass(frozen=True)
class Ranks:
    """All ranks, as one of them sees them. They are on one machine, and talk over its loopback
    interface, or between GPUs as NCCL does.
    """

    share: Share
    """This rank, of how many."""
    device: torch.device

    @classmethod
    def join(cls, place: Path, share: Share, device: torch.device, seconds: float) -> Ranks:
        """Meet the others at a file that does not exist yet. Returns when all have come; raises
        torch's error after `seconds`.
        """
        # where the addresses of other interfaces are taken, strangers could connect
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", LOOPBACK)
        nccl = device.type == "cuda" and dist.is_nccl_available()
        dist.init_process_group(
            "nccl" if nccl else "gloo",
            init_method=place.as_uri(),
            rank=share.rank,
            world_size=share.of,
            timeout=timedelta(seconds=seconds),
        )
        return cls(share, device)

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.share.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """The mean of all ranks' values, as a new tensor."""
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.share.of

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite these tensors, in place, by those of rank 0."""
        for tensor in tensors:
            # as bytes where it is boolean, and in one order whatever its memory layout
            sent = tensor.to(torch.uint8) if tensor.dtype == torch.bool else tensor.contiguous()
            dist.broadcast(sent, 0)
            if not self.leads:
                tensor.copy_(sent)

    @property
    def notices_loss(self) -> bool:
        """Whether a rank that waits for one that has died is told so. NCCL's waits on."""
        return dist.get_backend() != "nccl"

    def abort(self) -> None:
        """End this rank's wait for one that has died."""
        dist.distributed_c10d._abort_process_group()

    def leave(self) -> None:
        """Whatever has become of the others."""
        with contextlib.suppress(RuntimeError, ValueError):
            dist.destroy_process_group()


def is_lost_contact(error: BaseException) -> bool:
    """Whether another rank did not answer: an effect, whose cause is there."""
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        name in said for name in ("gloo", "nccl", "connection closed by peer", "timed out")
    )
