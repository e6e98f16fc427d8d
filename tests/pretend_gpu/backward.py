"""Autograd's streams: a node of a backward pass runs on the stream of its forward, and the engine
makes streams wait for each other: for the gradients that come in, and for all of it at the end.
"""

from __future__ import annotations

from typing import Any

import torch

from pretend_gpu import streams
from pretend_gpu.machine import Machine
from pretend_gpu.memory import Block
from pretend_gpu.streams import Stream

MOST = 200_000
"""Nodes of which the stream is remembered."""


class Backward:
    """One pass."""

    def __init__(self, caller: Stream) -> None:
        self.caller = caller
        self.used: set[Stream] = set()
        self.wrote: dict[Block, Stream] = {}


def stream_of_node(machine: Machine, device: int, reads: set[Block]) -> Stream:
    """Where an operation of this thread is launched."""
    current = streams.current_stream(device)
    under_way: Backward | None = machine.local.backward
    node = torch._C._current_autograd_node()
    if under_way is None or node is None:
        _remember(machine, current)
        return current
    stream = machine.local.nodes.get(node._sequence_nr(), current)
    if stream.device_index != device:
        stream = current
    if stream not in under_way.used:
        under_way.used.add(stream)
        if stream is not under_way.caller:
            stream.wait_stream(under_way.caller)
    for block in reads:
        writer = under_way.wrote.get(block)
        if writer is not None and writer is not stream:
            stream.wait_stream(writer)
    return stream


def wrote(machine: Machine, stream: Stream, writes: set[Block]) -> None:
    """Note who made a gradient."""
    if machine.local.backward is not None:
        machine.local.backward.wrote.update(dict.fromkeys(writes, stream))


def _remember(machine: Machine, stream: Stream) -> None:
    """The number that was given last is that of the node whose forward runs now, if one does."""
    number, nodes = torch._C._autograd._get_sequence_nr() - 1, machine.local.nodes
    if number not in nodes:
        if len(nodes) > MOST:
            nodes.clear()
        nodes[number] = stream


def engine(machine: Machine, usual: Any) -> Any:
    """torch's `_engine_run_backward`, around which the streams wait."""

    def run(*args: Any, **kwargs: Any) -> Any:
        if machine.local.backward is not None or not machine.initialized:
            return usual(*args, **kwargs)
        caller = streams.current_stream()
        machine.local.backward = Backward(caller)
        try:
            return usual(*args, **kwargs)
        finally:
            for stream in machine.local.backward.used - {caller}:
                caller.wait_stream(stream)
            machine.local.backward = None

    return run
