"""Streams and events, as clocks: each knows how far the others had come that it has waited for.

Two accesses to the same bytes that no clock orders are a race, of which at least one writes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

import torch

from pretend_gpu.machine import Machine

if TYPE_CHECKING:
    from pretend_gpu.memory import Block, Region

Clock = dict[int, int]
"""Stream → how many of its launches are known to be done."""

machine: Machine
"""Whose streams these are; `patches` sets it."""
_numbers = itertools.count(1)


def merge(into: Clock, other: Clock) -> None:
    """Know what the other knows."""
    for stream, tick in other.items():
        into[stream] = max(into.get(stream, 0), tick)


class Stream:
    """torch.cuda.Stream."""

    device_type = 1

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        machine.initialize()
        self.device_index = machine.index(device)
        self.device = torch.device("cuda", self.device_index)
        self.priority = priority
        self.stream_id = self.cuda_stream = next(_numbers)
        self.clock: Clock = {}

    def wait_stream(self, stream: Stream) -> None:
        """What is launched here from now on comes after what was launched there."""
        self.wait_event(stream.record_event())

    def wait_event(self, event: Event) -> None:
        """The same, from an event's moment."""
        merge(self.clock, event.clock)
        capture = machine.capture
        if capture is not None and event.stream in capture.streams:
            capture.streams.add(self)  # forked: what it launches is captured too

    def record_event(self, event: Event | None = None) -> Event:
        """A mark after what was launched so far."""
        event = event or Event()
        event.stream, event.clock = self, dict(self.clock)
        return event

    def synchronize(self) -> None:
        """The host waits."""
        machine.wait("Stream.synchronize")
        merge(host, self.clock)

    def query(self) -> bool:
        """Whether all is done: here everything is at once."""
        return True

    def tick(self) -> None:
        """One more launch, after all that the host has waited for."""
        merge(self.clock, host)
        self.clock[self.stream_id] = self.clock.get(self.stream_id, 0) + 1


class Event:
    """torch.cuda.Event. The time between two is that of the launches between them, in µs."""

    def __init__(self, enable_timing: bool = False, **_: Any) -> None:
        self.stream: Stream | None = None
        self.clock: Clock = {}

    def record(self, stream: Stream | None = None) -> None:
        """A mark in the stream."""
        (stream or current_stream()).record_event(self)

    def wait(self, stream: Stream | None = None) -> None:
        """The stream waits."""
        (stream or current_stream()).wait_event(self)

    def synchronize(self) -> None:
        """The host waits."""
        machine.wait("Event.synchronize")
        merge(host, self.clock)

    def query(self) -> bool:
        """Whether it has come to pass."""
        return True

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds, plausible at best."""
        return 1e-3 * max(1, sum(end.clock.values()) - sum(self.clock.values()))


host: Clock = {}
"""What the host has waited for."""
_defaults: dict[int, Stream] = {}


def begin(of: Machine) -> None:
    """Nothing is launched yet."""
    global machine
    machine = of
    host.clear()
    _defaults.clear()


def default_stream(device: Any = None) -> Stream:
    """A device's own."""
    index = machine.index(device)
    if index not in _defaults:
        _defaults[index] = Stream(index)
    return _defaults[index]


def current_stream(device: Any = None) -> Stream:
    """Where this thread launches on a device."""
    machine.initialize()
    index = machine.index(device)
    return machine.local.streams.get(index) or default_stream(index)


def set_stream(stream: Stream | None) -> None:
    """Launch there from now on; its device becomes the current one, as in torch."""
    if stream is not None:
        machine.local.device = stream.device_index
        machine.local.streams[stream.device_index] = stream


def synchronize(device: Any = None) -> None:
    """The host waits for all streams of a device."""
    index = machine.index(device)
    machine.wait("synchronize")
    merge(host, everything[index]) if index in everything else None


everything: dict[int, Clock] = {}
"""All launches of a device."""


class Access:
    """Who wrote some bytes last, and who has read them since."""

    def __init__(self) -> None:
        self.written: tuple[int, int] | None = None
        self.read: Clock = {}


class Accesses(dict[tuple[int, int], Access]):
    """A storage's, by the span of bytes: members of a stack are written side by side."""

    def overlapping(self, low: int, high: int) -> list[Access]:
        """Those of spans that share a byte with this one."""
        return [access for (a, b), access in self.items() if a < high and low < b]

    def at(self, low: int, high: int) -> Access:
        """That of the span itself."""
        return self.setdefault((low, high), Access())

    def forget_within(self, low: int, high: int) -> None:
        """The span is written as a whole, after all that was done to parts of it."""
        for a, b in [span for span in self if low <= span[0] and span[1] <= high]:
            del self[a, b]


def check(
    stream: Stream,
    name: str,
    reads: Iterable[Region],
    writes: Iterable[Region],
    table: MutableMapping[Block, Accesses],
) -> None:
    """Note a launch's accesses, and the races that they are part of."""
    now = (stream.stream_id, stream.clock[stream.stream_id])
    written = set(writes)
    for region in {*reads, *written}:
        known = table.setdefault(region.block, Accesses())
        before: Clock = {}
        for access in known.overlapping(region.low, region.high):
            merge(before, dict([access.written]) if access.written else {})
            if region in written:
                merge(before, access.read)
        late = [s for s, t in before.items() if stream.clock.get(s, 0) < t]
        if late:
            from pretend_gpu.machine import place

            text = f"{place(name)} on stream {stream.stream_id} does not wait for stream {late[0]}"
            machine.races.append(text)
            machine.note("race", what=text)
        if region in written:
            known.forget_within(region.low, region.high)
            known.at(region.low, region.high).written = now
        else:
            known.at(region.low, region.high).read[now[0]] = now[1]
