"""CUDA graphs: a function's kernels recorded once, then launched together; and what they hold."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

if TYPE_CHECKING:
    from lth_bench.training.engine.layouts import Layout


WARM_UP = 3
"""Runs before a capture, in which libraries choose their kernels and allocate workspaces."""
EMPTY = "The CUDA Graph is empty"
"""How torch's warning begins where nothing was captured."""


def captures(device: torch.device) -> bool:
    """Whether steps on this device are captured, and so made of tensors that stay in place."""
    return device.type == "cuda"


def current(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Make a GPU the thread's current device. CUDA's current device belongs to the thread and is
    0 in a new one, whatever the process has set elsewhere.
    """
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def no_host_reads() -> Iterator[None]:
    """Whatever waits for the device raises RuntimeError, as it would in a capture. A capture that
    fails can leave torch's allocator damaged; this fails before one begins.
    """
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


class Replayed:
    """A function of tensors that stay where they are, captured as a CUDA graph at once.

    The function must read nothing back to the host, draw no random numbers and keep its shapes.
    Warming up and capturing run it, so what it changes must be set afterwards. Graphs that share
    a memory `pool` reuse each other's intermediate tensors: what one leaves there and a later one
    reads (gradients) must stay referenced.

    Raises RuntimeError where the function does what a graph cannot repeat, or nothing at all.
    """

    def __init__(
        self,
        function: Callable[[], None],
        device: torch.device,
        pool: tuple[int, int] | None = None,
    ) -> None:
        self._device = device
        with current(device):
            stream = torch.cuda.Stream(reader=device)  # type: ignore[no-untyped-call]  # torch's stub
            stream.wait_stream(torch.cuda.current_stream(device))
            try:
                with torch.cuda.stream(stream):
                    for _ in range(WARM_UP - 1):
                        function()
                    with no_host_reads():
                        function()
            finally:  # also where it raises: what it wrote so far is read again
                torch.cuda.current_stream(device).wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            # The stream is named: torch's default one belongs to whichever device came first.
            # Threads that read data ahead may use the device meanwhile.
            capture = torch.cuda.graph(
                self._graph,
                pool=pool,  # type: ignore[arg-type]  # torch's stub: a tuple is one
                stream=stream,
                capture_error_mode="thread_local",
            )
            with warnings.catch_warnings():
                warnings.filterwarnings("error", EMPTY)
                try:
                    with capture:
                        function()
                except UserWarning as empty:
                    if empty.__context__ is not None:  # such as no memory for the first kernel
                        raise empty.__context__ from None
                    raise RuntimeError(f"nothing was captured on {device}") from empty

    @property
    def pool(self) -> tuple[int, int]:
        """The memory pool of the captured tensors."""
        return self._graph.pool()

    def __call__(self) -> None:
        """Launch it on the current stream of its device."""
        self._graph.replay()


class PeakMemory:
    """Bytes that a cohort holds on a device at most, its layout and its data included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known: WeakKeyDictionary[Layout, int] = WeakKeyDictionary()

    def begin(self) -> None:
        """What was held before counts no more."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def of(self, layout: Layout) -> int | None:
        """The peak since `begin`, of a cohort in this layout; None on a CPU.

        Replayed graphs allocate nothing: what they hold shows only where they are captured, which
        is in a layout's first cohort. So no later one of the layout has less.
        """
        if self._device.type != "cuda":
            return None
        now = torch.cuda.max_memory_allocated(self._device)
        self._known[layout] = max(now, self._known.get(layout, 0))
        return self._known[layout]
