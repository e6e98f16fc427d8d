"""The pretend machine: its devices, what was launched on them, and where it fails on purpose."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from pretend_gpu.graphs import Capture, CUDAGraph
    from pretend_gpu.streams import Stream

GIB = 2**30
HERE = str(Path(__file__).parent)
INSIDE_TORCH = str(Path(torch.__file__).parent)
SYNC_DEBUG = {"default": 0, "warn": 1, "error": 2}


class Place(NamedTuple):
    """What made the host wait, or copied, and the innermost line that is not torch's or ours."""

    what: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.what} at {self.file}:{self.line}"


@dataclass
class OutOfMemory:
    """Where a launch finds no memory: all that is given must hold."""

    after: int = 0
    """Launches of this process before it."""
    capturing: bool | None = None
    """Inside a capture, or outside."""
    inside: str = ""
    """A function of this name is under way in the thread."""
    times: int = 1
    """How often; then there is room again."""

    def strikes(self, machine: Machine) -> bool:
        if self.times < 1 or sum(machine.launches.values()) < self.after:
            return False
        if self.capturing is not None and self.capturing != (machine.capture is not None):
            return False
        if self.inside and not any(f.f_code.co_name == self.inside for f in frames()):
            return False
        self.times -= 1
        return True


class Local(threading.local):
    """What CUDA and torch keep for each thread."""

    device = 0
    backward: Any = None

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.nodes: dict[int, Stream] = {}
        """An autograd node's number → the stream that was current in its forward."""


@dataclass
class Machine:
    """One to a few pretend GPUs, all alike."""

    devices: int = 1
    memory: int = 140 * GIB
    """Bytes of a device, in all."""
    taken: int = 0
    """Bytes of a device that other processes hold."""
    fault: OutOfMemory | None = None
    log: Path | None = None
    """Where captures, races and failed captures are noted as lines of JSON, by every process."""

    launches: Counter[str] = field(default_factory=Counter)
    """By operation; what a replay launches is in `replays`."""
    waits: Counter[Place] = field(default_factory=Counter)
    """Where the host waited for a device: reads, blocking copies, `synchronize`."""
    copies: Counter[Place] = field(default_factory=Counter)
    """Between host and device, blocking or not."""
    captures: list[CUDAGraph] = field(default_factory=list)
    """Those that ended well, kept for the test to look at, and their memory with them."""
    keeps_captures: bool = True
    """Not in a child process, where nothing looks at them."""
    failed_captures: list[str] = field(default_factory=list)
    """Why a capture broke off. On a real GPU torch's allocator may be left in capture state."""
    races: list[str] = field(default_factory=list)
    """Accesses on one stream that nothing orders after those on another."""
    replays: int = 0
    sync_debug: int = 0
    capture: Capture | None = None
    """The one under way. Torch allows one at a time in a process."""
    initialized: bool = False
    process: int = field(default_factory=os.getpid)
    """The process that initialised CUDA; a fork of it cannot use it."""

    def __post_init__(self) -> None:
        self.local = Local()
        self.queue: list[Callable[[], object]] = []
        self.allocated = [0] * self.devices
        self.peak = [0] * self.devices
        self.fraction = [1.0] * self.devices
        self.generators = tuple(torch.Generator().manual_seed(0) for _ in range(self.devices))

    @property
    def launched(self) -> int:
        """Launches so far, those of replays not counted."""
        return sum(self.launches.values())

    def reset(self) -> None:
        """Count from zero again."""
        for counter in (self.launches, self.waits, self.copies):
            counter.clear()
        self.replays = 0

    def initialize(self) -> None:
        """As torch does at the first use of a device."""
        if self.initialized and self.process != os.getpid():
            raise RuntimeError(
                "Cannot re-initialize CUDA in forked subprocess. To use CUDA with "
                "multiprocessing, you must use the 'spawn' start method"
            )
        if not self.devices:
            raise RuntimeError("No CUDA GPUs are available")
        self.initialized, self.process = True, os.getpid()
        while self.queue:
            self.queue.pop(0)()

    def once_initialized(self, call: Callable[[], object], **_: Any) -> None:
        """Now or then: torch may be seeded before it uses a device."""
        if self.initialized:
            call()
        else:
            self.queue.append(call)

    def index(self, device: Any) -> int:
        """A device's number; that of the thread's current one where it has none."""
        if device is None:
            return self.local.device
        if not isinstance(device, int):
            device = torch.device(device)
            device = self.local.device if device.index is None else device.index
        if not 0 <= device < self.devices:
            raise RuntimeError("CUDA error: invalid device ordinal")
        return device

    def wait(self, what: str) -> None:
        """The host waits for the device, which a capture and torch's debug mode forbid."""
        self.initialize()
        self.waits[place(what)] += 1
        self.forbid(what)
        if self.sync_debug == 2:
            raise RuntimeError(f"called a synchronizing CUDA operation ({place(what)})")

    def copy(self, what: str, blocking: bool) -> None:
        """Between host and device."""
        self.copies[place(what)] += 1
        self.forbid(what)
        if blocking:
            self.wait(what)

    def forbid(self, what: str) -> None:
        """Refuse this inside a capture, which is lost with it."""
        if self.capture is not None and self.capture.thread is threading.current_thread():
            self.capture.broken = str(place(what))
            raise RuntimeError(
                f"CUDA error: operation not permitted when stream is capturing ({place(what)})"
            )

    def room(self, device: int) -> int:
        """Bytes that this process can still allocate."""
        most = min(self.memory - self.taken, int(self.fraction[device] * self.memory))
        return max(0, most - self.allocated[device])

    def run_out(self, size: int = 0, device: int = 0) -> None:
        """Raise torch's error as from its allocator."""
        free = self.room(device) / 2**20
        raise torch.OutOfMemoryError(
            f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB. GPU {device} has a "
            f"total capacity of {self.memory / GIB:.2f} GiB of which {free:.2f} MiB is free."
        )

    def note(self, event: str, **about: Any) -> None:
        """Write a line of JSON for whoever started this process."""
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(json.dumps({"event": event, "process": os.getpid(), **about}) + "\n")

    def as_text(self) -> str:
        """For the variable that tells child processes of it."""
        fault = asdict(self.fault) if self.fault else None
        return json.dumps(
            {
                "devices": self.devices,
                "memory": self.memory,
                "taken": self.taken,
                "fault": fault,
                "log": str(self.log) if self.log else None,
            }
        )

    @staticmethod
    def from_text(text: str) -> Machine:
        """What `as_text` gave; `CUDA_VISIBLE_DEVICES` leaves out what it does not name."""
        about = json.loads(text)
        if about["fault"]:
            about["fault"] = OutOfMemory(**about["fault"])
        about["log"] = Path(about["log"]) if about["log"] else None
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            named = [v for v in visible.split(",") if v.strip()]
            about["devices"] = min(about["devices"], len(named))
        return Machine(**about, keeps_captures=False)


def frames() -> Iterator[Any]:
    """The thread's frames, the innermost first, those of this package left out."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((HERE, "<pretend GPU>")) or "/test_" in file:
            yield frame
        frame = frame.f_back


def place(what: str) -> Place:
    """The innermost line that is neither torch's nor this package's."""
    for frame in frames():
        file = frame.f_code.co_filename
        if not file.startswith((INSIDE_TORCH, "<")):
            return Place(what, file, frame.f_lineno)
    return Place(what, "?", 0)
