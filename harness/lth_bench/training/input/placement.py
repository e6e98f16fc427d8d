"""Where a dataset is stored during training: on the device, in host memory, or on disk."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.data.arrays import DatasetInfo
from lth_bench.errors import UserError
from lth_bench.system.devices import all_of, cores
from lth_bench.system.memory import host_memory

if TYPE_CHECKING:
    import torch

    from lth_bench.training.input.task_data import Examples, TaskData

VARIABLE = "LTH_BENCH_STREAM"
CHOICES = ("auto", "always", "never")
SHARE = 0.5
"""Fraction of a memory that datasets may use; the rest is for networks and other programs."""
BYTES = {"images": 1, "features": 8, "tokens": 8}
"""Maximum bytes of one value of an example."""
KEPT_SHARE = 1 / 16
"""Further fraction that may hold prepared data, so that work is done once."""


@dataclass(frozen=True)
class Memory:
    """Memory available for data, in bytes."""

    device: int
    """Of the device; on a CPU that of the host."""
    host: int
    processes: int
    """Worker processes on this machine, each with its own copy of the data."""
    devices: int = 1
    """GPUs that the workers use; 0 on a CPU."""

    @property
    def sharers(self) -> int:
        """Processes per device."""
        return -(-self.processes // self.devices) if self.devices else self.processes


@dataclass(frozen=True)
class Placement:
    """Where one dataset is stored, and a note for the user if that is not the device."""

    where: Literal["device", "memory", "disk"]
    note: str | None
    keep: int
    """Further bytes that may stay on the device: a streamed dataset's validation or test split,
    or batches prepared for later trainings."""
    threads: int
    """Threads that read ahead, per process."""

    def opener(self, dataset: Any) -> Callable[[Path], Any]:
        """The dataset's method that opens it for this placement; pass its result to `make_data`."""
        method: Callable[[Path], Any] = dataset.open if self.where == "disk" else dataset.load
        return method


def memory_of(devices: Sequence[str]) -> Memory:
    """Memory for a run with one worker per entry of `devices`, which has a process for each of its
    own. Uses the smallest device's total memory, not what is currently free, so that every process
    makes the same choice.
    """
    devices = all_of(devices)
    host, gpus = host_memory(), {d for d in devices if d != "cpu"}
    if not gpus:
        return Memory(host, host, len(devices), 0)
    import torch

    total = min(torch.cuda.get_device_properties(d).total_memory for d in gpus)
    return Memory(total, host, len(devices), len(gpus))


def choose(
    name: str,
    dataset: object,
    info: DatasetInfo,
    memory: Memory,
    environment: Mapping[str, str] = os.environ,
) -> Placement:
    """Choose the device if the dataset fits there, else host memory, else disk.

    Only images are streamed; other inputs are kept on the device. A dataset can be streamed from
    disk if it has a method `open`. `LTH_BENCH_STREAM` set to `always` or `never` overrides the
    sizes. UserError if the dataset fits nowhere, or for any other value.
    """
    wish = environment.get(VARIABLE) or "auto"
    if wish not in CHOICES:
        raise UserError(f"{VARIABLE} must be one of {', '.join(CHOICES)}, but got {wish!r}")
    size = (info.train_size + info.test_size) * math.prod(info.stored_shape) * BYTES[info.inputs]
    on_disk = hasattr(dataset, "open")
    keep = int(KEPT_SHARE * memory.device) // memory.sharers
    threads = max(1, cores() // memory.processes)

    def put(where: Literal["device", "memory", "disk"], why: str = "") -> Placement:
        source = {"memory": "the host's memory", "disk": "disk"}.get(where)
        note = f"{name} streams from {source}: {_size(size)} decoded, {why}" if source else None
        return Placement(where, note, keep, threads)

    if info.inputs != "images":  # only images are larger than memory in this field
        if wish != "never" and memory.sharers * size > SHARE * memory.device:
            raise UserError(
                f"dataset {name!r} takes {_size(size)} in memory, of which {memory.sharers} "
                f"processes share {_size(memory.device)}, and only images can be streamed; use "
                f"fewer --workers, a part of the data, or set {VARIABLE}=never to try it anyway"
            )
        return put("device")
    # decoding takes twice the memory; then every process has its own copy
    fits_host = (2 + memory.processes) * size <= SHARE * memory.host
    fits_device = memory.sharers * size <= SHARE * memory.device
    if wish == "never" or (wish == "auto" and fits_host and fits_device):
        return put("device")
    if wish == "always":
        return put("disk" if on_disk else "memory", f"because {VARIABLE}=always")
    have = f"this machine has {_size(memory.host)} for {memory.processes} processes"
    if memory.devices:
        have = f"the device has {_size(memory.device)}, the host {_size(memory.host)}"
    if 2 * size <= SHARE * memory.host:
        return put("memory", have)
    if on_disk:
        return put("disk", have)
    raise UserError(
        f"dataset {name!r} takes {_size(size)} decoded, but {have}, half of which may hold data. "
        "Use "
        f"fewer --workers, convert it to an image folder, which can be streamed from disk, or set "
        f"{VARIABLE}=never to try anyway"
    )


def make_data(
    opened: Any, placement: Placement, val_size: int, device: torch.device
) -> tuple[TaskData, Examples]:
    """The training and validation splits of a task on a device, and separately the test split."""
    from lth_bench.training.input.resident import ResidentData, ResidentSplit
    from lth_bench.training.input.streaming import HostArrays, StreamedData

    if placement.where == "device":
        test = ResidentSplit(opened.test_x.to(device), opened.test_y.to(device))
        return ResidentData(opened, val_size, device, placement.keep), test
    source = opened if placement.where == "disk" else HostArrays(opened)
    data = StreamedData(
        source=source,
        val_size=val_size,
        device=device,
        threads=placement.threads,
        keep=placement.keep,
    )
    return data, data.test(placement.keep)


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e6:.1f} MB"
