"""Iterative magnitude pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import (
    Mask,
    PerKind,
    Ticket,
    Tune,
    hookimpl,
)


@dataclass(frozen=True, eq=False)
class IMP:
    """Iterative magnitude pruning (Frankle & Carbin, 2019, section 1).

    Train; remove the weights of smallest magnitude among the survivors; give the survivors their
    values at initialisation; repeat. Weights only, biases stay.

    Deviation: the exact count of a density is met, so a round may prune a little less or more
    than its rate (`Mask.shrink`); the published ladders take one round a rung.
    """

    prune_rate: Annotated[PerKind, Tune(0.1, 0.7)] = PerKind(conv=0.2, linear=0.2, output=0.1)
    """Fraction of a layer's surviving weights removed each round, by kind of layer."""
    # tuned where a suite names it: a global ranking takes one rate for all kinds of layers
    scope: Annotated[Literal["layer", "global"], Tune(search=False)] = "layer"
    """Rank magnitudes within each layer (the paper's small networks) or over all layers whose
    rate is above 0 (its deep ones)."""

    iterative = True  # each density continues from the one before

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The smallest trained magnitudes go."""
        scores = abs(ticket.trained.weights)
        return ticket.mask.shrink(scores, self.prune_rate, ticket.target, self.scope)
