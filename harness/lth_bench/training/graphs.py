"""CUDA graphs: a function's kernels recorded once, then launched together."""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UP = 3
"""Runs before a capture, in which libraries choose their kernels and allocate workspaces."""


def captures(device: torch.device) -> bool:
    """Whether steps on this device are captured, and so made of tensors that stay in place."""
    return device.type == "cuda"


class Replayed:
    """A function of tensors that stay where they are, captured as a CUDA graph at once.

    The function must read nothing back to the host, draw no random numbers and keep its shapes.
    Warming up and capturing run it, so what it changes must be set afterwards.
    """

    def __init__(self, function: Callable[[], None], device: torch.device) -> None:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's stub
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function()
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # threads that read data ahead may use the device meanwhile
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            function()

    def __call__(self) -> None:
        self._graph.replay()
