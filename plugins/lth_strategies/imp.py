"""Iterative magnitude pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import (
    Layers,
    Mask,
    PerKind,
    Ticket,
    Tune,
    hookimpl,
)


@dataclass(frozen=True, eq=False)
class IMP:
    """Iterative magnitude pruning (Frankle & Carbin, 2019, section 1).

    Train; remove the surviving weights of smallest magnitude; reset the others to their initial
    values; repeat. Biases are not pruned.

    Deviation: tickets have exactly the target's count, so a round may prune slightly less or more
    than its rate (`Mask.shrink`); published sparsity schedules take one round per level.
    """

    prune_rate: Annotated[PerKind, Tune(0.1, 0.7)] = PerKind(conv=0.2, linear=0.2, output=0.1)
    """Fraction of a layer's surviving weights removed per round, by kind of layer."""
    # tuned only if a suite lists it: a global ranking needs one rate for all kinds of layer
    scope: Annotated[Literal["layer", "global"], Tune(search=False)] = "layer"
    """Rank magnitudes within each layer (the paper's small networks) or over all layers with a
    rate above 0 (its deep ones)."""

    iterative = True  # each density continues from the previous one

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Remove the smallest trained magnitudes."""
        return ticket.mask.shrink(self.scores(ticket), self.prune_rate, ticket.target, self.scope)

    def scores(self, ticket: Ticket) -> Layers:
        """|θ| at the end of the training behind the mask."""
        return abs(ticket.trained.weights)
