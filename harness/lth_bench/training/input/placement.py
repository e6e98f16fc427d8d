"""Where a dataset lies while it is trained on: on the device, in the host's memory, or on disk."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.data.arrays import DatasetInfo
from lth_bench.errors import UserError
from lth_bench.system.devices import cores

if TYPE_CHECKING:
    import torch

    from lth_bench.training.input.task_data import Examples, TaskData

VARIABLE = "LTH_BENCH_STREAM"
CHOICES = ("auto", "always", "never")
SHARE = 0.5
"""Part of a memory that datasets may take; the rest is for networks and other programs."""
BYTES = {"images": 1, "features": 8, "tokens": 8}
"""Of a number of an example, at most."""
KEPT_SHARE = 1 / 16
"""Part of it that may be taken besides, so that work is done only once."""


@dataclass(frozen=True)
class Memory:
    """What there is to hold data, in bytes."""

    device: int
    """Of the device; on a CPU the host's."""
    host: int
    processes: int
    """Worker processes on this machine, which all hold data of their own."""
    devices: int = 1
    """GPUs that they are spread over; 0 on a CPU."""

    @property
    def sharers(self) -> int:
        """Processes on one device."""
        return -(-self.processes // self.devices) if self.devices else self.processes


@dataclass(frozen=True)
class Placement:
    """Where one dataset lies, and the sentence that says so where that is not on the device."""

    where: Literal["device", "memory", "disk"]
    note: str | None
    keep: int
    """Bytes that may stay on the device besides: a streamed dataset's validation or test split, or
    batches prepared for later trainings."""
    threads: int
    """Threads that read ahead, in each process."""

    def opener(self, dataset: Any) -> Callable[[Path], Any]:
        """The dataset's method that opens it for this placement; its answer is for `make_data`."""
        method: Callable[[Path], Any] = dataset.open if self.where == "disk" else dataset.load
        return method


def memory_of(devices: Sequence[str]) -> Memory:
    """Of a run whose worker processes have these devices, one each. The smallest of their
    memories, and the whole of it, not what is free just now: every process shall choose alike.
    """
    host, gpus = _host_memory(), {d for d in devices if d != "cpu"}
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
    """On the device where it fits; else in the host's memory; else on disk.

    Only images are streamed; other inputs lie on the device. A dataset can be read from disk if it
    has a method `open`. `LTH_BENCH_STREAM` set to `always` or
    `never` overrules sizes. UserError where it fits nowhere, and for any other value.
    """
    wish = environment.get(VARIABLE) or "auto"
    if wish not in CHOICES:
        raise UserError(f"{VARIABLE} must be one of {', '.join(CHOICES)}, but got {wish!r}")
    size = (info.train_size + info.test_size) * math.prod(info.input_shape) * BYTES[info.inputs]
    on_disk = hasattr(dataset, "open")
    keep = int(KEPT_SHARE * memory.device) // memory.sharers
    threads = max(1, cores() // memory.processes)

    def put(where: Literal["device", "memory", "disk"], why: str = "") -> Placement:
        source = {"memory": "the host's memory", "disk": "disk"}.get(where)
        note = f"{name} streams from {source}: {_size(size)} decoded, {why}" if source else None
        return Placement(where, note, keep, threads)

    if info.inputs != "images":  # a matrix that fits nowhere is not of this field
        if wish != "never" and memory.sharers * size > SHARE * memory.device:
            raise UserError(
                f"dataset {name!r} takes {_size(size)} in memory, of which {memory.sharers} "
                f"processes share {_size(memory.device)}, and only images can be streamed; use "
                f"fewer --workers, a part of the data, or set {VARIABLE}=never to try all the same"
            )
        return put("device")
    # decoding holds it twice, and then every process has its own
    fits_host = (2 + memory.processes) * size <= SHARE * memory.host
    fits_device = memory.sharers * size <= SHARE * memory.device
    if wish == "never" or (wish == "auto" and fits_host and fits_device):
        return put("device")
    if wish == "always":
        return put("disk" if on_disk else "memory", f"as {VARIABLE} says")
    have = f"this machine has {_size(memory.host)} for {memory.processes} processes"
    if memory.devices:
        have = f"the device has {_size(memory.device)}, the host {_size(memory.host)}"
    if 2 * size <= SHARE * memory.host:
        return put("memory", have)
    if on_disk:
        return put("disk", have)
    raise UserError(
        f"dataset {name!r} takes {_size(size)} decoded, and {have}, of which half is for data. Use "
        f"fewer --workers, make an image folder of it, which can be read from disk, or set "
        f"{VARIABLE}=never to try all the same"
    )


def make_data(
    opened: Any, placement: Placement, val_size: int, device: torch.device
) -> tuple[TaskData, Examples]:
    """The training and validation splits of a task on a device, and the test split apart."""
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


def _host_memory() -> int:
    """Bytes of memory that this process may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
            total = min(total, int(Path(limit).read_text()))
    return total


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e6:.1f} MB"
