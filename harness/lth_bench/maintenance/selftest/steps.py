"""The steps of a device's self-test, and the functions that its child process runs for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lth_bench.maintenance.selftest.supervised import Step

SPEEDS = (("lenet_300_100", 1), ("lenet_300_100", 16), ("resnet20", 1), ("resnet20", 4))
"""Networks and cohort sizes whose speed is measured on a GPU."""
ON_CPU = (("lenet_300_100", 1), ("lenet_300_100", 8), ("conv_bn", 1))
SECONDS = 1.0
"""Duration of a measurement of speed."""
LIMIT = 60.0
"""Seconds after which a step is late; the slowest is expected to take five."""


def plan(device: str, limit: float = LIMIT) -> list[Step]:
    """The steps of a device's self-test, about twenty seconds on a GPU. A step is late after
    `limit` seconds.
    """
    where = {"device": device}
    steps = [Step("about", "about", where, limit), Step("capture", "capture", where, limit)]
    for name in ("lenet_300_100", "conv_bn"):
        steps.append(Step(f"agreement {name}", "agreement", {**where, "name": name}, limit))
    if device != "cpu":
        steps.append(Step("halving", "halving", where, limit))
    for name, size in ON_CPU if device == "cpu" else SPEEDS:
        asked = {**where, "name": name, "size": size, "seconds": SECONDS}
        steps.append(Step(f"speed {name} {size}", "speed", asked, limit))
    return steps


def functions() -> dict[str, Callable[..., Any]]:
    """The functions of a child by name; each takes the device first."""
    from lth_bench.maintenance.selftest.checks import agreement, capture
    from lth_bench.maintenance.selftest.full_device import halving

    found: dict[str, Callable[..., Any]] = {
        "about": about, "capture": capture, "agreement": agreement, "halving": halving,
        "speed": speed,
    }  # fmt: skip
    return {name: _on_device(function) for name, function in found.items()}


def _on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply a worker's settings and make the device the current one before the call."""

    def call(device: str, **arguments: Any) -> Any:
        from lth_bench.system.devices import prepare_process

        prepare_process(device)
        return function(device, **arguments)

    return call


def about(device: str) -> dict[str, Any]:
    """The device's name and memory, and the versions of driver, runtime and libraries."""
    import torch

    found: dict[str, Any] = {"torch": torch.__version__, "name": "cpu"}
    if device == "cpu":
        return found
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    capability = f"{properties.major}.{properties.minor}"
    return {
        **found,
        "name": properties.name,
        "capability": capability,
        "multiprocessors": properties.multi_processor_count,
        "free": free,
        "total": total,
        "runtime": torch.version.cuda or torch.version.hip,
        "driver": driver(),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch's stub
        "built_for": torch.cuda.get_arch_list(),
    }


def driver() -> str | None:
    """The newest CUDA version that the driver supports, such as `12.8`; None if unknown."""
    import torch

    ask = getattr(torch._C, "_cuda_getDriverVersion", None)
    try:
        version = int(ask()) if ask is not None else 0
    except RuntimeError:
        version = 0
    return f"{version // 1000}.{version % 1000 // 10}" if version else None


def speed(device: str, name: str, size: int, seconds: float) -> dict[str, Any]:
    """Model-steps per second of a network at a cohort size with the fastest way of stacking, and
    where the time goes.
    """
    import torch

    from lth_bench.maintenance.selftest.checks import ways
    from lth_bench.maintenance.selftest.speed import details, rate

    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
    bench = _bench(name, device)
    found = []
    for way in ways(bench) if size > 1 else [None]:
        ready = bench.ready(size, way)
        figures, steps = rate(bench, ready.layout, seconds)
        found.append((figures, steps, way, ready))
    best, steps, way, ready = max(found, key=lambda f: f[0])
    return {
        "model_steps_per_second": best,
        "steps": steps,
        "size": size,
        "variant": ready.layout.variant,
        "rates": {str(f[2]): f[0] for f in found},
        "dtype": bench.net.recipe.dtype,
        "batch": bench.net.recipe.batch_size,
        **details(bench, ready),
    }


@lru_cache(maxsize=1)
def _bench(name: str, device: str) -> Any:
    from lth_bench.maintenance.selftest.bench import Bench
    from lth_bench.maintenance.selftest.net import MADE, made

    net = MADE[name]().on(device)
    return Bench(net, device, made(net.shape, 20_000, 10))
