"""A network with its data on a device, trained in cohorts as in every run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import torch

from lth_bench.data.arrays import Arrays
from lth_bench.maintenance.selftest.net import Net
from lth_bench.masks import Layers, Mask, count_at
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.cohort_size import Measured, measure
from lth_bench.training.engine.layouts import Layout, kind_of, make_layout
from lth_bench.training.engine.network import Network
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.request import FitRequest

DENSITY = 0.5
"""Density of the masks, which keep the largest weights at initialisation over all layers."""


@dataclass(frozen=True)
class Ready:
    """A layout after warm-up, and the time of the warm-up."""

    layout: Layout
    first_seconds: float
    """To create it and to start its first cohort; on a GPU, this captures its step."""
    begin_seconds: float
    """To start another cohort, before its first step."""


class Bench:
    """One network and its data on a device, and the layouts of its cohorts."""

    def __init__(self, net: Net, device: str, arrays: Arrays) -> None:
        self.net, self.device = net, torch.device(device)
        with seeded("benchmark"):
            module = net.build()
        self.network = Network(
            module=module,
            input_shape=net.shape,
            classes=net.classes,
            device=self.device,
            dtype=net.recipe.dtype,
        )
        self.data = ResidentData(arrays, net.recipe.val_size, self.device)
        self._ready: dict[tuple[int, str | None], Ready] = {}

    @cached_property
    def auto(self) -> Measured:
        """The engine's own choice of the cohort size, with the measured rates."""
        return measure(self.network, self.data, self.net.recipe)

    def ready(self, size: int | str, stacks: str | None = None) -> Ready:
        """The layout for cohorts of that size. `stacks` is the way of stacking, by default the
        network's first; with size `auto` the engine chooses both.
        """
        if size == "auto":
            size, stacks = self.auto.choice.size, self.auto.choice.stacks
        key = (int(size), stacks)
        if key not in self._ready:
            self._ready[key] = self._made(*key)
        return self._ready[key]

    def layout(self, size: int | str, stacks: str | None = None) -> Layout:
        """The layout of `ready`."""
        return self.ready(size, stacks).layout

    def _made(self, size: int, stacks: str | None) -> Ready:
        synchronize(self.device)
        began = time.perf_counter()
        (request,) = self.requests(1, 1)
        kind = kind_of(self.network, self.data, request, size, stacks)
        layout = make_layout(self.network, self.data, self.net.recipe, size, kind)
        self.run(layout, 1)
        synchronize(self.device)
        first = time.perf_counter()
        self.cohort(layout, 1)
        synchronize(self.device)
        return Ready(layout, first - began, time.perf_counter() - first)

    def requests(self, members: int, steps: int) -> list[FitRequest]:
        """A training for each member, with its own seed, initial values and mask."""
        made = []
        for seed in range(members):
            with seeded("benchmark", seed):
                module = self.net.build().to(self.network.dtype)
            values = {k: v.to(self.device) for k, v in module.state_dict().items()}
            weights = Layers({x.name: values[x.key].abs() for x in self.network.layers})
            kept = Mask.top_k(weights, count_at(DENSITY, sum(map(torch.numel, weights.values()))))
            mask = Mask(kept.kept, layers=self.network.layers)
            mask.apply_(values)
            made.append(
                FitRequest(
                    values=values, mask=mask, start=0, end=steps, seed=seed, recipe=self.net.recipe
                )
            )
        return made

    def cohort(self, layout: Layout, steps: int) -> Cohort:
        """A full cohort of trainings of `steps` steps, ready to run."""
        return Cohort(
            layout, [[PendingFit(request)] for request in self.requests(layout.cohort_size, steps)]
        )

    def trained(self, layout: Layout, steps: int) -> list[dict[str, torch.Tensor]]:
        """The members' values after `steps` steps, on the CPU."""
        asked = [PendingFit(request) for request in self.requests(layout.cohort_size, steps)]
        Cohort(layout, [[one] for one in asked]).run()
        found = []
        for one in asked:
            if one.error is not None:
                raise one.error
            assert one.outcome is not None
            found.append({k: v.detach().cpu() for k, v in one.outcome.values.items()})
        return found

    def run(self, layout: Layout, steps: int) -> float:
        """Seconds of whole trainings of `steps` steps, without preparing them."""
        asked = [PendingFit(request) for request in self.requests(layout.cohort_size, steps)]
        cohort = Cohort(layout, [[one] for one in asked])
        synchronize(self.device)
        began = time.perf_counter()
        cohort.run()
        synchronize(self.device)
        taken = time.perf_counter() - began
        for one in asked:
            if one.error is not None:
                raise one.error
        return taken


def synchronize(device: torch.device) -> None:
    """Wait for all work launched on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
