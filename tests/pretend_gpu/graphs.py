"""CUDA graphs: operations on storages, done again on the same storages, whatever Python holds."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from pretend_gpu import streams
from pretend_gpu.memory import Block, Region
from pretend_gpu.streams import Accesses, Stream


@dataclass(eq=False)
class Operation:
    """One captured launch."""

    name: str
    stream: int
    """The id of the stream it was launched on."""
    reads: frozenset[Region]
    writes: frozenset[Region]
    run: Callable[[], Any]
    out: Any

    def again(self) -> None:
        """Compute it again, into the storages of the capture."""
        for old, new in zip(
            pytree.tree_leaves(self.out), pytree.tree_leaves(self.run()), strict=True
        ):
            if isinstance(old, Tensor) and old is not new:
                old.copy_(new)


@dataclass(eq=False)
class Capture:
    """One under way."""

    origin: Stream
    mode: str
    thread: threading.Thread = field(default_factory=threading.current_thread)
    streams: set[Stream] = field(default_factory=set)
    """The origin, and those forked from it."""
    operations: list[Operation] = field(default_factory=list)
    accesses: dict[Block, Accesses] = field(default_factory=dict)
    broken: str = ""
    """What was done that a capture does not allow."""


class CUDAGraph:
    """torch.cuda.CUDAGraph."""

    def __init__(self, keep_graph: bool = False) -> None:
        self.operations: list[Operation] = []
        """What a replay does, in the order of its launches."""
        self.origin = 0
        """The id of the stream that it was captured on."""

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global") -> None:
        machine, stream = streams.machine, streams.current_stream()
        if machine.capture is not None:
            raise RuntimeError("a capture is under way already")
        if stream is streams.default_stream(stream.device):
            raise RuntimeError("CUDA graphs must be captured on a non-default stream.")
        machine.capture = Capture(stream, capture_error_mode, streams={stream})

    def capture_end(self) -> None:
        machine = streams.machine
        capture, machine.capture = machine.capture, None
        assert capture is not None
        if not capture.broken:
            known = capture.origin.clock
            for stream in capture.streams:
                if stream.clock.get(stream.stream_id, 0) > known.get(stream.stream_id, 0):
                    capture.broken = "unjoined work"
        if capture.broken:
            machine.failed_captures.append(capture.broken)
            machine.note("failed capture", why=capture.broken)
            raise RuntimeError(
                "CUDA error: operation failed due to a previous error during capture"
                if capture.broken != "unjoined work"
                else "CUDA error: capturing stream has unjoined work"
            )
        self.operations, self.origin = capture.operations, capture.origin.stream_id
        if machine.keeps_captures:
            machine.captures.append(self)
        machine.note(
            "capture",
            operations=len(self.operations),
            streams=len({op.stream for op in self.operations}),
            device=capture.origin.device_index,
        )
        if not self.operations:
            warnings.warn(
                "The CUDA Graph is empty. This usually means that the graph was attempted to be "
                "captured on wrong device or stream.",
                stacklevel=2,
            )

    def replay(self) -> None:
        """All operations, launched together on the current stream."""
        machine = streams.machine
        machine.forbid("replay")
        machine.replays += 1
        stream = streams.current_stream()
        stream.tick()
        reads = {region for op in self.operations for region in op.reads}
        writes = {region for op in self.operations for region in op.writes}
        streams.check(stream, "replay", reads, writes, outside)
        guard = torch._C._DisableTorchDispatch()
        try:
            with torch.no_grad(), _disable_current_modes(), torch.autocast("cpu", enabled=False):
                for operation in self.operations:
                    operation.again()
        finally:
            del guard

    def reset(self) -> None:
        """Forget what was captured."""
        self.operations = []

    def pool(self) -> tuple[int, int]:
        """A token."""
        return (0, 0)

    def by_stream(self) -> dict[int, list[Operation]]:
        """Stream → its operations, in order."""
        found: dict[int, list[Operation]] = {}
        for operation in self.operations:
            found.setdefault(operation.stream, []).append(operation)
        return found


class graph:
    """torch.cuda.graph: captures what is launched inside, without its garbage collection."""

    default_capture_stream: Stream | None = None

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: Any = None,
        stream: Stream | None = None,
        capture_error_mode: str = "global",
        **_: Any,
    ) -> None:
        cls = type(self)
        if stream is None and cls.default_capture_stream is None:
            cls.default_capture_stream = Stream()  # on the thread's device, for good
        self.stream = stream or cls.default_capture_stream
        self.cuda_graph, self.mode = cuda_graph, capture_error_mode
        self.context = torch.cuda.stream(self.stream)

    def __enter__(self) -> None:
        torch.cuda.synchronize()
        self.context.__enter__()
        self.cuda_graph.capture_begin(capture_error_mode=self.mode)

    def __exit__(self, *error: Any) -> None:
        try:
            self.cuda_graph.capture_end()
        finally:
            self.context.__exit__(*error)


outside: weakref.WeakKeyDictionary[Block, Accesses] = weakref.WeakKeyDictionary()
"""Accesses outside of captures."""


def shared(some: Iterable[Operation], others: Iterable[Operation]) -> list[tuple[str, str]]:
    """Pairs of operations (by name) of which one writes bytes that the other uses."""
    found = []
    others = list(others)
    for a in some:
        for b in others:
            pairs = [*product(a.writes, b.reads | b.writes), *product(b.writes, a.reads)]
            if any(one.overlaps(other) for one, other in pairs):
                found.append((a.name, b.name))
    return found
