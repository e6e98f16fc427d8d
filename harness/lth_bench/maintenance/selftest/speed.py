"""Measure the speed of a layout, and where its time and memory go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from lth_bench.maintenance.selftest.bench import Bench, Ready, synchronize
from lth_bench.training.engine.layouts import Layout

FIRST = 50
"""Steps of the first measurement on a GPU; with fewer, the overhead of a training dominates."""
CAP = 100_000
"""Steps of a measurement at most, even if the clock is wrong."""
GROWTH = 20.0
"""Factor by which the steps of the next measurement grow at most."""
ISSUED = 100
"""Steps that are only issued: few enough for CUDA's queue, so that no launch waits."""


def steady(
    run: Callable[[int], float], seconds: float, first: int = FIRST, multiple: int = 1
) -> tuple[int, float]:
    """A number of steps that takes at least half of `seconds`, and the seconds that it took.

    Each guess is based on the total time of the one before, never on a difference of times, which
    could be zero or negative: so a wrong clock gives too few steps rather than a million.
    """
    steps = first
    while True:
        steps = max(multiple, math.ceil(steps / multiple) * multiple)
        taken = run(steps)
        if taken >= seconds / 2 or steps >= CAP:
            return steps, taken
        growth = min(GROWTH, 1.1 * seconds / taken) if taken > 0 else GROWTH
        steps = min(CAP, math.ceil(steps * max(1.5, growth)))


def rate(
    bench: Bench, layout: Layout, seconds: float, first: int | None = None
) -> tuple[float, int]:
    """Model-steps per second of whole trainings, and the number of timed steps.

    The time of a training of no steps, for evaluations and copies, is subtracted unless
    evaluations are included.
    """
    first = first or (FIRST if bench.device.type == "cuda" else 1)
    every = bench.net.recipe.eval_every if bench.net.evaluated else 1
    none = 0.0 if bench.net.evaluated else bench.run(layout, 0)
    steps, taken = steady(lambda n: bench.run(layout, n), seconds, first, every)
    own = taken - none
    if own < taken / 2:  # the subtracted time was disturbed
        own = taken
    if not own > 0:
        raise RuntimeError(f"by the clock, {steps} steps took {taken} s")
    return steps * layout.cohort_size / own, steps


def details(bench: Bench, ready: Ready) -> dict[str, Any]:
    """Where a step's time goes, in microseconds for the step of the whole cohort, and the memory.

    `host`: until the step is issued, without waiting for it. `step`: until it is computed, with
    each step issued separately. `advance`: as the engine runs steps between evaluations. `graph`:
    replaying the CUDA graph only; None where none was captured.
    """
    layout = ready.layout
    times = ISSUED if bench.device.type == "cuda" else 2
    bench.cohort(layout, 1)  # begins
    lr = bench.net.recipe.lr

    def step(done: int) -> None:
        layout.forward_backward(done)
        layout.update(lr)

    host, whole = _issued(step, layout, times)
    _, ahead = _timed(lambda: layout.advance(0, times, lambda _: lr, lambda: False), layout)
    found: dict[str, Any] = {
        "host_micros": 1e6 * host / times,
        "step_micros": 1e6 * whole / times,
        "advance_micros": 1e6 * ahead / times,
        "graph_micros": None,
        "captured": layout.graphs.step is not None,
        "first_seconds": ready.first_seconds,
        "begin_seconds": ready.begin_seconds,
    }
    if (graphs := layout.graphs.step) is not None:

        def replay(_: int) -> None:
            for graph in graphs:
                graph()

        _, replayed = _issued(replay, layout, times)
        found["graph_micros"] = 1e6 * replayed / times
    slots = range(layout.cohort_size)
    layout.evaluate(slots)  # captures it
    found["evaluation_seconds"] = _median(lambda: layout.evaluate(slots), layout)
    found["snapshot_seconds"] = _median(lambda: layout.snapshots(slots), layout)
    return {**found, **memory(bench.device)}


def memory(device: torch.device) -> dict[str, int | None]:
    """Peak bytes of tensors since the peak was reset, and peak reserved bytes."""
    if device.type != "cuda":
        return {"peak_memory": None, "reserved_memory": None}
    return {
        "peak_memory": torch.cuda.max_memory_allocated(device),
        "reserved_memory": torch.cuda.max_memory_reserved(device),
    }


def _issued(step: Callable[[int], object], layout: Layout, times: int) -> tuple[float, float]:
    """Seconds until `times` steps are issued, and until they are computed."""

    def steps() -> None:
        for done in range(times):
            step(done)

    steps()  # the first ones look up what an epoch needs
    return _timed(steps, layout)


def _timed(action: Callable[[], object], layout: Layout) -> tuple[float, float]:
    synchronize(layout.device)
    began = time.perf_counter()
    action()
    issued = time.perf_counter() - began
    synchronize(layout.device)
    return issued, time.perf_counter() - began


def _median(action: Callable[[], object], layout: Layout, times: int = 5) -> float:
    return median(_timed(action, layout)[1] for _ in range(times))


def kernels(bench: Bench, layout: Layout, steps: int = 20, top: int = 15) -> list[dict[str, Any]]:
    """The slowest kernels by torch's profiler: name, and calls and µs per step."""
    from torch.profiler import ProfilerActivity, profile

    bench.cohort(layout, 1)
    lr = bench.net.recipe.lr
    cuda = bench.device.type == "cuda"
    synchronize(bench.device)
    kind = ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU
    with profile(activities=[kind]) as profiled:
        for done in range(steps):
            layout.forward_backward(done)
            layout.update(lr)
        synchronize(bench.device)
    field = "self_device_time_total" if cuda else "self_cpu_time_total"
    found = [(getattr(e, field, 0.0), e) for e in profiled.key_averages()]
    found = sorted((x for x in found if x[0] > 0), key=lambda x: -x[0])[:top]
    return [
        {"name": e.key, "calls": e.count / steps, "micros": taken / steps} for taken, e in found
    ]
