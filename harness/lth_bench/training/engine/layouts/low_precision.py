"""Cohort size 1 in few bits: the plain network, rounded wherever training stores a number."""

from __future__ import annotations

import torch
from torch import Tensor

from lth_bench.models.prunable import prunable_layers
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.network import Network
from lth_bench.training.engine.rounding import Rounding, require_roundable
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.randomness import seed_of
from lth_bench.training.recipe import Recipe


class LowPrecision(Plain):
    """One member whose recipe has `bits`.

    Rounded are activations and errors, every parameter's gradient before the update, and after it
    every parameter and its momentum; there are no weights of higher precision (Yang et al., 2019,
    algorithm 2, without the averaging). Evaluations use the rounded weights and no other rounding.
    """

    variant = "low_precision"

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, cohort_size: int) -> None:
        assert recipe.bits is not None and cohort_size == 1
        require_roundable(network.module, network.layers, recipe.bits)
        super().__init__(network, data, recipe, cohort_size)
        self._rounding = Rounding(recipe.bits, network.device)
        self._trained = [p for p in self.parameters.values() if p.requires_grad]
        # what is declared prunable, or not, does not change where the numbers are rounded
        about = (data.input_shape, data.classes, data.info.targets)
        self._layers = prunable_layers(network.module, *about)

    @property
    def _can_replay(self) -> bool:
        return False  # every step draws other random numbers, from a generator of its own

    def forward_backward(self, done: int) -> None:
        self._rounding.seed(seed_of("rounding", self._seeds[0], self._starts[0] + done))
        super().forward_backward(done)

    def backward(self, x: Tensor, y: Tensor) -> None:
        with self._rounding.within(self.network.module, self._layers):
            super().backward(x, y)
        self._rounding.in_place([p.grad for p in self._trained if p.grad is not None])

    @torch.no_grad()
    def _update(self) -> None:
        self._step()
        self._rounding.in_place(self._trained)
        states = (self.optimizer.state[p] for p in self._trained)
        self._rounding.in_place([s["momentum_buffer"] for s in states if "momentum_buffer" in s])
        self.enforce()
