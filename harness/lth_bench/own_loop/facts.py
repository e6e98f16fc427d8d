"""What a strategy's `check_task` is told of a loop of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

from torch import nn

from lth_bench.data.info import InputShape
from lth_bench.masks import Layer
from lth_bench.own_loop.loop_bench import LoopBench
from lth_bench.own_loop.refusal import Missing
from lth_bench.running.task_plan import TaskFacts, require_suitable
from lth_bench.structure import UnitGroup, require_units
from lth_bench.training.recipe import Recipe


def check_task(name: str, strategy: Any, bench: LoopBench) -> None:
    """Ask the strategy's own `check_task`, if it has one. UserError where it says no.

    What the user has not given cannot be checked, and a hook that needs it says so itself: a check
    ends, without a verdict, where it asks for such a fact.
    """
    counted = bench.counted
    try:
        facts = cast(TaskFacts, LoopFacts(bench))
        require_suitable(strategy, facts, f"strategy {name!r}")
    except Missing:
        return
    finally:
        bench.counted = counted  # that a check asked is no reason to demand the number of steps


class LoopFacts:
    """`TaskFacts` of the loop's data and model, each looked up when it is asked for, since some
    read the whole dataset. Missing where neither data nor arguments tell.
    """

    def __init__(self, bench: LoopBench) -> None:
        self._bench = bench

    @cached_property
    def train_size(self) -> int:
        """All examples: none are held out."""
        return len(self._bench.data.train)

    @cached_property
    def input_shape(self) -> InputShape:
        """Of an example, as `ticket.input_shape`."""
        return self._bench.data.input_shape

    @cached_property
    def classes(self) -> int:
        """As many as the targets tell."""
        return self._bench.data.classes

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        steps = self._bench.total_steps
        self._bench.require_steps()
        return steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the data."""
        return self._bench.recipe.steps_per_epoch(self.train_size)

    @property
    def layer_counts(self) -> Mapping[str, int]:
        """Prunable layer → its weights."""
        return {layer.name: layer.numel for layer in self._bench.layers}

    @property
    def layer_kinds(self) -> Mapping[str, str]:
        """Prunable layer → `conv`, `linear` or `output`."""
        return {layer.name: layer.kind for layer in self._bench.layers}

    @property
    def has_momentum(self) -> bool:
        """Whether the user's optimizer keeps one, under torch's names."""
        return self._bench.has_momentum

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The prunable layers."""
        return self._bench.layers

    @property
    def recipe(self) -> Recipe:
        """Length, learning rate and batch size, as far as they are known."""
        return self._bench.recipe

    def require_bits(self, bits: int) -> None:
        """Missing: the precision is the loop's own affair."""
        raise Missing(f"it trains in {bits} bits; lth_bench.run can")

    def build(self) -> nn.Module:
        """A copy of the user's model."""
        return self._bench.network.twin(self._bench.initial(0).values)

    @cached_property
    def units(self) -> tuple[UnitGroup, ...]:
        """Groups of coupled channels and neurons; UserError where there are none."""
        return require_units(self._bench.units, self._bench.network.module)
