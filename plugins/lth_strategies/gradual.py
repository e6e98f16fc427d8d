"""Gradual magnitude pruning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, NamedTuple

from lth_bench import (
    Change,
    Mask,
    Range,
    StepView,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    count_at,
    hookimpl,
    largest_remainder,
    polynomial_density,
)
from lth_strategies.rewiring import Rewiring


class Ramp(NamedTuple):
    """When a training prunes: at `first` + `every`, `first` + 2 · `every`, …, `events` times."""

    first: int
    every: int
    events: int

    def density(self, step: int, final: float, initial: float = 1.0) -> float:
        """Density from step `step` on, by the cubic schedule."""
        return polynomial_density((step - self.first) // self.every, self.events, final, initial)


@dataclass(frozen=True, eq=False)
class Gradual(Rewiring):
    """Gradual magnitude pruning (Zhu & Gupta, 2017, equation 1).

    A dense network is trained and pruned n times, ΔT steps apart, from step t_0 on, until its
    sparsity is s_t = s_f + (s_i − s_f)(1 − (t − t_0)/(nΔT))³ with s_i = 0; then it trains on at the
    target density. A mask holds the largest magnitudes of the current weights. As pruned weights
    are zero, they do not return.

    Deviations: thresholds are exact (TensorFlow's model_pruning uses a histogram of 256 bins).
    Magnitudes are those before the step at which the mask changes. t_0 is a multiple of ΔT.

    Cost: one training of the task's length times `extend`, dense at first.
    """

    begin: Annotated[float, Range(0, 1, open_high=True), Tune(0.0, 0.4)] = 0.0
    """t_0 as a fraction of training. State of sparsity (Gale et al., 2019): 0.06 to 0.31."""
    end: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.5, 0.9)] = 0.75
    """t_0 + nΔT as a fraction of training. State of sparsity: 0.53 to 0.78."""
    prunings: Annotated[int, Range(1, 10**6), Tune(search=False)] = 30
    """n: number of prunings; fewer where there are fewer steps from `begin` to `end`."""
    scope: Literal["layer", "global"] = "layer"
    """The same density in every layer (Zhu & Gupta; Gale et al.), or one ranking of all weights."""

    def __post_init__(self) -> None:
        if self.begin >= self.end:
            raise ValueError(f"begin must be below end = {self.end:g}, but got {self.begin:g}")

    def ramp(self, steps: int) -> Ramp:
        """When a training of `steps` steps prunes. ValueError if it is too short."""
        begin, end = int(self.begin * steps), int(self.end * steps)
        if begin >= end:
            raise ValueError(
                f"a training of {steps} steps has none between begin = {self.begin:g} and end = "
                f"{self.end:g}, so nothing would be pruned; train longer, or move them apart"
            )
        every = max(1, (end - begin) // self.prunings)
        first = begin - begin % every
        return Ramp(first, every, (end - first) // every)

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if training is too short to prune."""
        self.ramp(self.train_steps(task.total_steps))

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """All weights: they are pruned during training."""
        return ticket.mask

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, with pruning."""
        ramp = self.ramp(self.train_steps(ticket.total_steps))
        return self.fit(ticket, partial(self.prune, ticket, ramp), ramp.every, "never")

    def prune(self, ticket: Ticket, ramp: Ramp, view: StepView) -> Change | None:
        """Keep the largest magnitudes, as many as the schedule says."""
        k = count_at(ramp.density(view.step, ticket.target), ticket.prunable)
        if k >= view.mask.count:
            return None
        magnitude = abs(view.weights)
        if self.scope == "global":
            return Change(Mask.top_k(magnitude, k, within=view.mask))
        caps = view.mask.kept_per_layer()
        shares = [k / ticket.prunable * layer.numel for layer in ticket.layers]
        counts = largest_remainder(shares, k, [caps[layer.name] for layer in ticket.layers])
        named = {layer.name: n for layer, n in zip(ticket.layers, counts, strict=True)}
        return Change(Mask.top_k_per_layer(magnitude, named, within=view.mask))
