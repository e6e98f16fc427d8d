"""The ranks of a training, of which this process is one, and what they say to each other."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from lth_bench.errors import UserError
from lth_bench.training.input.task_data import Share

VARIABLE = "LTH_BENCH_RANK_SECONDS"
"""Names the time that a rank may take to answer."""
SECONDS = 600.0
"""Seconds for a rank's answer; reading its part of a batch from a slow disk is within them, and so
is by how much its part of an evaluation takes longer than another's."""
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
OWN_WATCH = {"TORCH_NCCL_ASYNC_ERROR_HANDLING": "0", "TORCH_NCCL_ENABLE_MONITORING": "0"}
"""Or torch's threads end the whole process where a collective on GPUs fails or takes too long: the
leader's watch (leader.py) ends the training alone, and knows which rank it was.
TORCH_NCCL_BLOCKING_WAIT would raise an error here instead, but has the host wait for every
collective, which it polls each millisecond: a synchronised batch norm has one forward and one
backward.
"""


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
    _lost: threading.Event = field(init=False, default_factory=threading.Event, repr=False)
    _left: threading.Event = field(init=False, default_factory=threading.Event, repr=False)
    _leaving: threading.Lock = field(init=False, default_factory=threading.Lock, repr=False)

    @classmethod
    def join(cls, place: Path, share: Share, device: torch.device, seconds: float) -> Ranks:
        """Meet the others at a file that does not exist yet. Returns when all have come; raises
        torch's error after `seconds`.
        """
        # where the addresses of other interfaces are taken, strangers could connect
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", LOOPBACK)
        nccl = device.type == "cuda" and dist.is_nccl_available()
        if nccl:
            os.environ.update(OWN_WATCH)
        dist.init_process_group(
            "nccl" if nccl else "gloo",
            init_method=place.as_uri(),
            rank=share.rank,
            world_size=share.of,
            # torch's limit for NCCL only logs; the leader's watch comes first
            timeout=timedelta(seconds=2 * seconds if nccl else seconds),
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

    def joined(self, part: Tensor | None, sizes: Sequence[int]) -> Tensor | None:
        """In rank 0, the parts of all ranks, in order of rank, joined along their first dimension,
        of which each has its number in `sizes`; None elsewhere. A rank that has none gives None.
        ValueError where a part has not the kind of rank 0's, which must have one.
        """
        kind: list[object] = [None]
        if part is not None:
            kind = [(tuple(part.shape[1:]), part.dtype)]
        own = kind[0]
        dist.broadcast_object_list(kind, 0, device=self.device)
        shape, dtype = cast("tuple[tuple[int, ...], torch.dtype]", kind[0])
        if part is not None and own != kind[0]:
            raise ValueError(
                f"each part of an evaluation must be {dtype} of [N, {shape}], but rank "
                f"{self.share.rank} has {own}"
            )
        whole = []
        for rank, size in enumerate(sizes):
            if not size:
                continue
            if rank == self.share.rank:
                assert part is not None and len(part) == size
                sent = part.contiguous()
            else:
                sent = torch.empty(size, *shape, dtype=dtype, device=self.device)
            # bits of a bool are sent as bytes
            dist.broadcast(sent.view(torch.uint8) if dtype == torch.bool else sent, rank)
            if self.leads:
                whole.append(sent)
        return torch.cat(whole) if self.leads else None

    @property
    def notices_loss(self) -> bool:
        """Whether a rank that waits for one that has died, or does not answer, gets an error.
        NCCL's waits on.
        """
        return dist.get_backend() != "nccl"

    @property
    def lost(self) -> bool:
        """Whether the wait for another rank was ended: values may be those of some ranks alone."""
        return self._lost.is_set()

    def settle(self) -> None:
        """Wait for what this rank's device still has to do. RuntimeError where another rank was
        lost: NCCL's kernels then end without an error, whatever gradients they have.
        """
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        if self.lost:
            raise RuntimeError("another rank was lost")

    def abort(self) -> None:
        """End this rank's wait for another, from any thread."""
        self._lost.set()
        self.leave()

    def leave(self) -> None:
        """Whatever has become of the others. Only the first call does something, so that none ends
        a group that was made later.
        """
        with self._leaving:
            if self._left.is_set() or not dist.is_initialized():
                return
            self._left.set()
            with contextlib.suppress(RuntimeError, ValueError):
                if self.notices_loss:
                    dist.destroy_process_group()
                else:  # destroying would wait for kernels that wait for the others
                    dist.distributed_c10d._abort_process_group()


def is_lost_contact(error: BaseException) -> bool:
    """Whether another rank did not answer: an effect, whose cause is there."""
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        name in said for name in ("gloo", "nccl", "connection closed by peer", "timed out")
    )
