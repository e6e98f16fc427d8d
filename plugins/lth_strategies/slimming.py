"""Network slimming: channels pruned by the scale of their batch norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import (
    Mask,
    Range,
    RewindPoint,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    UnitGroup,
    Unreachable,
    hookimpl,
    next_unit_count,
    norm_penalty,
    norm_scores,
    shrunk_metrics,
    unit_mask,
)


@dataclass(frozen=True, eq=False)
class Slimming:
    """Learning efficient convolutional networks through network slimming (Liu et al., 2017).

    The network is trained with `l1` · Σ|γ| added to its loss; the channels of smallest |γ| in the
    whole network are removed, with all that belongs to them; what is left is trained without the
    penalty. Coupled channels rank by their mean |γ|, and units without batch norm are excluded.

    Deviations: the target is a density in weights, so the ticket is the largest one at or below
    it. Every layer keeps its best channel, where the authors' code can empty a layer. The paper
    starts γ at 0.5 (the models' `gamma_init`), and fine-tunes at a lower learning rate; here the
    ticket takes the recipe's whole schedule, as every other ticket does.

    Cost: a search training, common to all densities, and the ticket's own; iteratively two
    trainings per round.
    """

    l1: Annotated[float, Range(0, 1), Tune(1e-6, 1e-2, log=True)] = 1e-4
    """Weight of Σ|γ| in the loss of the search; the paper has 1e-4 for VGG, 1e-5 for ResNet and
    DenseNet."""
    start: Annotated[Literal["trained", "initial"], Tune(search=False)] = "trained"
    """The values that surviving weights start from: those of the search, or initial ones."""
    iterative: bool = False
    """The paper's multi-pass scheme: rounds of `prune_rate`, each with a search that starts from
    the ticket before; otherwise from the dense network to the target at once."""
    prune_rate: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.1, 0.7)] = 0.2
    """Fraction of the surviving weights that a round of an iterative run removes."""

    structured = True  # masks remove whole units, the largest count at or below the target

    def check_task(self, task: TaskFacts) -> None:
        """ValueError for a network without batch norm, or whose units cannot be removed."""
        if not has_norms(task.units):
            raise ValueError(f"{NO_NORMS}; list the models it suits in the strategy's `models`")

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Train with the penalty, and remove the channels of smallest |γ|."""
        if not has_norms(ticket.units):
            raise Unreachable(NO_NORMS)
        search = ticket.fit(
            values=None if ticket.before is None else ticket.before.values,
            penalty=norm_penalty(ticket.units, self.l1),
            target_independent=True,
        )
        ticket.memo["search"] = search
        k = next_unit_count(ticket, self.prune_rate) if self.iterative else ticket.target_count
        return unit_mask(ticket, norm_scores(ticket.units, search.values), k)

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The values of `start`, and the whole schedule."""
        if self.start == "initial":
            return RewindPoint.at(ticket.initial)
        return RewindPoint(ticket.memo["search"].values, step=0)

    @hookimpl
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The small network's parameters, FLOPs and latency."""
        return shrunk_metrics(ticket, trained)

    def search_steps(self, total_steps: int) -> int:
        """Steps of a round's search, ahead of the ticket's training."""
        return total_steps


NO_NORMS = "slimming ranks channels by the γ of their batch norm, and this network has none"


def has_norms(groups: tuple[UnitGroup, ...]) -> bool:
    """Whether any unit has a batch norm with a γ."""
    return any(group.norms for group in groups)
