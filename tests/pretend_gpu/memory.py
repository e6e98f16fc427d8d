"""Storages on pretend devices: counted in bytes, by device, as long as a tensor holds them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from pretend_gpu.machine import Machine

if TYPE_CHECKING:
    from pretend_gpu.tensors import PretendTensor

ROUND = 512
"""torch's allocator gives multiples of this many bytes."""

machine = Machine(devices=0)
"""Whose memory this is; `patches` sets it."""
_known: weakref.WeakValueDictionary[tuple[int, int], Block] = weakref.WeakValueDictionary()


class Block:
    """A storage. Whoever holds one keeps its bytes."""

    def __init__(self, machine: Machine, size: int, device: int) -> None:
        self.machine, self.device = machine, device
        self.size = 0
        size = -(-size // ROUND) * ROUND
        if size > machine.room(device):
            machine.run_out(size, device)
        self.size = size
        machine.allocated[device] += size
        machine.peak[device] = max(machine.peak[device], machine.allocated[device])

    def __del__(self) -> None:
        self.machine.allocated[self.device] -= self.size


class Region(NamedTuple):
    """The bytes of a storage between a tensor's first and last element."""

    block: Block
    low: int
    high: int

    @classmethod
    def of(cls, tensor: PretendTensor) -> Region:
        """A tensor's."""
        t = tensor.inner
        reach = sum((n - 1) * abs(s) for n, s in zip(t.shape, t.stride(), strict=True))
        low = t.storage_offset() * t.element_size()
        high = low + (reach + 1) * t.element_size() if t.numel() else low
        return cls(tensor.block, low, high)

    def overlaps(self, other: Region) -> bool:
        """Whether they share a byte."""
        return self.block is other.block and self.low < other.high and other.low < self.high


def block_of(inner: Tensor, device: int) -> Block:
    """The storage of a tensor's numbers; out of memory where it is new and does not fit."""
    storage = inner.untyped_storage()
    key = (storage.data_ptr() or -id(storage), device)
    found = _known.get(key)
    if found is None:
        found = _known[key] = Block(machine, storage.nbytes(), device)
    return found


def stats(device: Any = None) -> dict[str, int]:
    """The part of torch.cuda.memory_stats that is told apart here."""
    index = machine.index(device)
    now, peak = machine.allocated[index], machine.peak[index]
    return {
        "allocated_bytes.all.current": now,
        "allocated_bytes.all.peak": peak,
        "reserved_bytes.all.current": now,
        "reserved_bytes.all.peak": peak,
    }


def reset_peak(device: Any = None) -> None:
    """Measure the peak from here."""
    index = machine.index(device)
    machine.peak[index] = machine.allocated[index]


def free_and_total(device: Any = None) -> tuple[int, int]:
    """As torch.cuda.mem_get_info."""
    machine.initialize()
    index = machine.index(device)
    return max(0, machine.memory - machine.taken - machine.allocated[index]), machine.memory


def set_fraction(fraction: float, device: Any = None) -> None:
    """As torch.cuda.set_per_process_memory_fraction."""
    machine.fraction[machine.index(device)] = fraction
