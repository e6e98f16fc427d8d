"""Filters and neurons pruned by the L1 norm of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from lth_bench import (
    Layers,
    Mask,
    Range,
    RewindPoint,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    hookimpl,
    next_unit_count,
    rank_within,
    shrunk_metrics,
    unit_mask,
    unit_scores,
)


@dataclass(frozen=True, eq=False)
class FilterL1:
    """Pruning filters for efficient ConvNets (Li et al., 2017, section 3).

    Removes the filters and neurons whose incoming weights have the smallest Σ|w|, with all that
    belongs to them, from the trained network, and trains what is left. Every layer loses the same
    fraction of its units; channels that residual sums couple rank by the mean over their layers.

    Deviations: the target is a density in weights, so the ticket is the largest one at or below
    it; the paper chooses each layer's fraction by its sensitivity, and prunes only the first
    convolution of a residual block. The paper trains on for 20 epochs or more at the last learning
    rate; here the ticket takes the recipe's whole schedule, as every other ticket does.

    Cost: the dense run, and one training per round.
    """

    scope: Annotated[Literal["layer", "global"], Tune(search=False)] = "layer"
    """Rank within each layer, or all units together by their mean |w|, since sums grow with the
    fan-in."""
    start: Annotated[Literal["trained", "initial"], Tune(search=False)] = "trained"
    """The values that surviving weights start from: trained, or initial as a lottery ticket."""
    iterative: bool = False
    """Prune and train in rounds of `prune_rate`, each density from the one before; otherwise from
    the dense run to the target at once."""
    prune_rate: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.1, 0.7)] = 0.2
    """Fraction of the surviving weights that a round of an iterative run removes."""

    structured = True  # masks remove whole units, the largest count at or below the target

    def check_task(self, task: TaskFacts) -> None:
        """ValueError for a network whose units cannot be removed."""
        _ = task.units

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Remove the units of smallest norm in the last training."""
        k = next_unit_count(ticket, self.prune_rate) if self.iterative else ticket.target_count
        return unit_mask(ticket, self.ranks(ticket), k)

    def ranks(self, ticket: Ticket) -> list[Tensor]:
        """A score for each unit, by group: its rank in its layer, or its mean |w|."""
        found = unit_scores(ticket.units, self.scores(ticket))
        return [rank_within(s) for s in found] if self.scope == "layer" else found

    def scores(self, ticket: Ticket) -> Layers:
        """|w| of the last training, globally divided by the fan-in; a unit's is the sum."""
        magnitudes = abs(ticket.trained.weights)
        if self.scope == "layer":
            return magnitudes
        return magnitudes / {x.name: float(x.fan_in) for x in ticket.layers}

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The values of `start`, and the whole schedule."""
        if self.start == "initial":
            return RewindPoint.at(ticket.initial)
        return RewindPoint(ticket.trained.values, step=0)

    @hookimpl
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The small network's parameters, FLOPs and latency."""
        return shrunk_metrics(ticket, trained)
