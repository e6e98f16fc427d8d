"""Steps by this package's engine: the same object that every training of a run goes through."""

from __future__ import annotations

from functools import lru_cache

from lth_bench.maintenance.selftest import bench as selftest
from lth_bench.maintenance.selftest.bench import synchronize
from lth_bench.maintenance.selftest.speed import rate as rate_of
from lth_bench.training.engine.layouts import Layout
from training.nets import Net, net_on
from training.samples import sample

__all__ = ["Bench", "bench", "prepare", "raced", "rate", "synchronize"]


class Bench(selftest.Bench):
    """One network and the benchmark's images on a device, and the layouts of its cohorts."""

    def __init__(self, net: Net, device: str) -> None:
        super().__init__(net, device, sample(net.shape, 20_000).arrays)

    def rate(self, layout: Layout, seconds: float) -> float:
        """Model-steps a second, over about so many seconds and at least one step."""
        return rate_of(self, layout, seconds)[0]


@lru_cache(maxsize=1)
def bench(name: str, device: str) -> Bench:
    """Kept until another network is asked for."""
    return Bench(net_on(name, device), device)


def prepare(name: str, device: str, width: int | str) -> tuple[int, str]:
    """The width and the layout that computes it, warmed up."""
    layout = bench(name, device).layout(width)
    return layout.cohort_size, layout.variant


def rate(name: str, device: str, width: int | str, seconds: float) -> float:
    """Model-steps a second."""
    prepared = bench(name, device)
    return prepared.rate(prepared.layout(width), seconds)


def raced(name: str, device: str) -> dict[str, dict[int, float]]:
    """Model-steps a second by way of stacking and cohort size, as the engine measured them when it
    chose.
    """
    return bench(name, device).auto.rates
