"""Steps by this package's engine: the same object that every training of a run goes through."""

from __future__ import annotations

import math
import time
from functools import cached_property, lru_cache

import torch

from lth_bench.masks import Layers, Mask, count_at
from lth_bench.training.cohort import Cohort
from lth_bench.training.layouts import Layout, kind_of, make_layout
from lth_bench.training.member import Asked
from lth_bench.training.network import Network
from lth_bench.training.randomness import seeded
from lth_bench.training.request import FitRequest
from lth_bench.training.resident import ResidentData
from lth_bench.training.widths import Measured, measure
from training.nets import Net, net_on
from training.samples import sample

DENSITY = 0.5
"""Of the masks: the smallest weights at initialisation are pruned, over all layers."""


class Bench:
    """One network and its data on a device, and the cohorts' layouts by width."""

    def __init__(self, net: Net, device: str) -> None:
        self.net, self.device = net, torch.device(device)
        with seeded("benchmark"):
            module = net.build()
        self.network = Network(module, net.shape, net.classes, self.device, net.recipe.dtype)
        arrays = sample(net.shape, 20_000).arrays
        self.data = ResidentData(arrays, net.recipe.val_size, self.device)
        self._layouts: dict[int | str, Layout] = {}
        self._step_seconds: dict[int, float] = {}

    def layout(self, width: int | str) -> Layout:
        """What a cohort is computed on, warmed up; `auto` is the engine's own choice of width."""
        if width not in self._layouts:
            stacks = self.auto.choice.stacks if width == "auto" else None
            chosen = self.auto.choice.size if width == "auto" else int(width)
            made = self._layouts.get(chosen) if stacks in (None, self.network.stacks) else None
            if made is None:
                (request,) = self.requests(1, 1)
                kind = kind_of(self.network, self.data, request, chosen, stacks)
                made = make_layout(self.network, self.data, self.net.recipe, chosen, kind)
                self._layouts[chosen] = made
                self.run(made, 1)
            self._layouts[width] = made
        return self._layouts[width]

    @cached_property
    def auto(self) -> Measured:
        """The engine's own choice, with the rates that it measured."""
        return measure(self.network, self.data, self.net.recipe)

    def requests(self, members: int, steps: int) -> list[FitRequest]:
        """One training a member: its own seed, initial values and mask."""
        made = []
        for seed in range(members):
            with seeded("benchmark", seed):
                module = self.net.build().to(self.network.dtype)
            values = {k: v.to(self.device) for k, v in module.state_dict().items()}
            weights = Layers({x.name: values[x.key].abs() for x in self.network.layers})
            kept = Mask.top_k(weights, count_at(DENSITY, sum(map(torch.numel, weights.values()))))
            mask = Mask(kept.kept, layers=self.network.layers)
            mask.apply_(values)
            made.append(FitRequest(values, mask, 0, steps, seed, self.net.recipe))
        return made

    def run(self, layout: Layout, steps: int) -> float:
        """Seconds of whole trainings of so many steps. Preparing them comes before the clock."""
        asked = [[Asked(request)] for request in self.requests(layout.width, steps)]
        cohort = Cohort(layout, asked)
        synchronize(self.device)
        began = time.perf_counter()
        cohort.run()
        synchronize(self.device)
        taken = time.perf_counter() - began
        for (one,) in asked:
            if one.error is not None:
                raise one.error
        return taken

    def rate(self, layout: Layout, seconds: float) -> float:
        """Model-steps a second, over about so many seconds and at least one step.

        From the difference between trainings of some steps and trainings of none, which evaluate
        and copy what comes out, too; where evaluations count, from whole trainings.
        """
        none = 0.0 if self.net.evaluated else self.run(layout, 0)
        if layout.width not in self._step_seconds:
            self._step_seconds[layout.width] = max(1e-6, self.run(layout, 1) - none)
        steps = max(1, math.ceil(seconds / self._step_seconds[layout.width]))
        every = self.net.recipe.eval_every
        if self.net.evaluated:  # as many evaluations as a training of that length has
            steps = every * math.ceil(steps / every)
        taken = max(1e-9, self.run(layout, steps) - none)
        self._step_seconds[layout.width] = taken / steps
        return steps * layout.width / taken


@lru_cache(maxsize=1)
def bench(name: str, device: str) -> Bench:
    """Kept until another network is asked for."""
    return Bench(net_on(name, device), device)


def prepare(name: str, device: str, width: int | str) -> tuple[int, str]:
    """The width and the layout that computes it, warmed up."""
    layout = bench(name, device).layout(width)
    return layout.width, layout.variant


def rate(name: str, device: str, width: int | str, seconds: float) -> float:
    """Model-steps a second."""
    prepared = bench(name, device)
    return prepared.rate(prepared.layout(width), seconds)


def raced(name: str, device: str) -> dict[str, dict[int, float]]:
    """Model-steps a second by way of stacking and cohort size, as the engine measured them when it
    chose.
    """
    return bench(name, device).auto.rates


def synchronize(device: torch.device) -> None:
    """Wait for what was launched on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
