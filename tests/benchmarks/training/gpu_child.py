"""A process that measures: it does the steps of `gpu_steps.py` that it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# before CUDA starts; cuBLAS is deterministic with it
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from lth_bench.maintenance.selftest.steps import functions as of_the_selftest
from lth_bench.maintenance.selftest.supervised import serve
from training import tasks


def functions() -> dict[str, Callable[..., Any]]:
    """What it does, by name."""
    return {
        **of_the_selftest(), "ours": ours, "kernels": kernels, "host": host, "floor": floor,
        "ceilings": ceilings, "conventional": conventional, "machine": machine,
    }  # fmt: skip


def ours(
    device: str, net: str, size: int | str, stacks: str | None, seconds: float, rounds: int
) -> dict[str, Any]:
    """Model-steps a second in each round, and where a step's time and memory go."""
    import torch

    from lth_bench.maintenance.selftest.checks import ways
    from lth_bench.maintenance.selftest.speed import details, rate
    from training.ours import bench as made

    tasks.prepare_ours(device)
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    bench = made(net, device)
    if stacks is not None and stacks not in ways(bench):
        return {"rates": [], "why": f"{net} has no layout {stacks!r} on {device}"}
    ready = bench.ready(size, stacks)
    found: dict[str, Any] = {
        "engine_width": ready.layout.cohort_size,
        "variant": ready.layout.variant,
    }
    found |= _described(net, device)
    measured = [rate(bench, ready.layout, seconds) for _ in range(rounds)]
    found["rates"] = [figure for figure, _ in measured]
    found["steps"] = [steps for _, steps in measured]
    if size == "auto":
        found["raced"] = bench.auto.rates
    try:
        found |= details(bench, ready)
    except Exception as error:  # the rates are what counts
        found["details_failed"] = f"{type(error).__name__}: {error}"
    return found


def kernels(device: str, net: str, size: int) -> list[dict[str, Any]]:
    """Where the device's time goes, by kernel."""
    from lth_bench.maintenance.selftest.speed import kernels as listed
    from training.ours import bench as made

    tasks.prepare_ours(device)
    bench = made(net, device)
    return listed(bench, bench.layout(size))


def host(device: str) -> dict[str, float]:
    """Microseconds of the host's a model-step, by cohort size, with nothing computed."""
    from training.host import measure

    return {f"{cost.size} {cost.what}": min(cost.micros) for cost in measure(rounds=3)}


def floor(device: str, net: str, size: int, seconds: float) -> dict[str, Any]:
    """Model-steps a second of the bare products, done the fastest way."""
    tasks.prepare_ours(device)
    ways = tasks.floor_ways(net, device, size)
    rates = {way: tasks.floor_rate(net, device, size, way, seconds / 2) for way in ways}
    best = max(rates, key=lambda way: rates[way])
    return {**_described(net, device), "way": best, "rates": [rates[best]], "ways": rates}


def machine(device: str) -> dict[str, Any]:
    """Hardware, versions and flags."""
    from training.machine import machine as measured

    tasks.prepare_ours(device)
    return {**measured(device), "flags": tasks.described()}


def _described(net: str, device: str) -> dict[str, Any]:
    """What the table says of a network beside its speed."""
    from training.floors import products
    from training.nets import net_on
    from training.paper import paper_floor

    made = net_on(net, device)
    recipe = made.recipe
    paper = paper_floor(
        products(made.build(), made.shape, recipe.batch_size), recipe.dtype, recipe.optimizer
    )
    return {
        "batch": recipe.batch_size, "dtype": recipe.dtype, "epoch": made.epoch,
        "augmented": bool(recipe.crop or recipe.flip),
        "paper_seconds": None if device == "cpu" else paper.seconds,
    }  # fmt: skip


def ceilings(device: str) -> dict[str, float]:
    """Bytes copied and multiply-adds a second."""
    from training.ceilings import ceilings as measured

    tasks.prepare_ours(device)
    return measured(device)


def conventional(
    device: str, net: str, workers: int, threads: int | None, seconds: float
) -> dict[str, Any]:
    """Steps a second of the loop that research code has."""
    from training.machine import flags

    tasks.prepare_conventional()
    figure = tasks.conventional_rate(net, device, workers, threads, seconds)
    return {**_described(net, device), "dtype": "float32", "rates": [figure], "flags": flags()}


if __name__ == "__main__":
    serve(functions())
