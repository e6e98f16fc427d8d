"""CUDA graphs: a function's kernels recorded once and launched together; and their memory."""

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
"""Runs before a capture, in which libraries choose kernels and allocate workspaces."""
EMPTY = "The CUDA Graph is empty"
"""The start of torch's warning if nothing was captured."""


def captures(device: torch.device) -> bool:
    """Whether steps on this device are captured, and so must use tensors at fixed addresses."""
    return device.type == "cuda"


def current(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Make a GPU the current device of this thread. CUDA's current device is a property of the
    thread, and 0 in a new one.
    """
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def no_host_reads() -> Iterator[None]:
    """Within the block, anything that waits for the device raises RuntimeError, as it would during
    a capture. A failed capture can corrupt torch's allocator; this fails before one starts.
    """
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


class Replayed:
    """A function of tensors at fixed addresses, captured as a CUDA graph at construction.

    The function must read nothing back to the host, draw no random numbers and keep its shapes.
    Warm-up and capture run it, so set anything it changes afterwards. Graphs that share a memory
    `pool` reuse each other's intermediate tensors: tensors that one writes and a later one reads
    (gradients) must stay referenced.

    Raises RuntimeError if a graph cannot repeat the function, or nothing was captured.
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
            finally:  # also after an error: its partial results are read again
                torch.cuda.current_stream(device).wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            # An explicit stream: torch's default one belongs to the first device used.
            # Threads that read data ahead may use the device in the meantime.
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
                    if (
                        empty.__context__ is not None
                    ):  # out of memory for the first kernel, for example
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
    """Maximum bytes that a cohort uses on a device, including its layout and data."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known: WeakKeyDictionary[Layout, int] = WeakKeyDictionary()

    def begin(self) -> None:
        """Start a new measurement."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def of(self, layout: Layout) -> int | None:
        """The peak since `begin` for a cohort in this layout; None on a CPU.

        Replayed graphs allocate nothing: their memory only shows when they are captured, in a
        layout's first cohort. So later cohorts of a layout report at least that.
        """
        if self._device.type != "cuda":
            return None
        now = torch.cuda.max_memory_allocated(self._device)
        self._known[layout] = max(now, self._known.get(layout, 0))
        return self._known[layout]
