"""Iterative SNIP: connection sensitivity in small steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lth_bench import (
    Layers,
    Mask,
    Range,
    Ticket,
    Tune,
    count_at,
    exponential_density,
    hookimpl,
    loss_gradients,
)
from lth_strategies.snip import SNIP


@dataclass(frozen=True, eq=False)
class IterSNIP(SNIP):
    """Iterative SNIP (de Jorge et al., 2021, "Progressive skeletonization", section 4).

    `rounds` steps at initialisation: after step x = 0, 1, … the network keeps ρ^((x+1)/rounds) of
    its weights, those of largest |θ · ∂L/∂θ| in the network as pruned so far, on a new minibatch.
    Pruned weights stay pruned. With one round it is SNIP on another minibatch.

    Cost: `rounds` gradients of a minibatch; no training. Deviations are those of SNIP.
    """

    rounds: Annotated[int, Range(1, 10_000), Tune(search=False)] = 10
    """Steps of scoring and pruning; the paper's schedule has as many minibatches."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The target's count after `rounds` steps."""
        mask = ticket.mask
        for x in range(self.rounds):
            density = exponential_density(x + 1, self.rounds, ticket.target)
            k = min(count_at(density, ticket.prunable), mask.count)
            mask = self.kept(ticket, mask, k, x)
        return mask

    def kept(self, ticket: Ticket, mask: Mask, k: int, x: int) -> Mask:
        """The mask after step x, of `k` weights within the one before."""
        return Mask.top_k(self.scores(ticket, mask, x), k, within=mask)

    def scores(self, ticket: Ticket, mask: Mask | None = None, x: int = 0) -> Layers:
        """What step x ranks weights by, under the mask so far."""
        return self.masked_sensitivity(ticket, ticket.mask if mask is None else mask, x)

    def masked_sensitivity(self, ticket: Ticket, mask: Mask, x: int) -> Layers:
        """|θ · ∂L/∂θ| of every weight, θ as before any pruning, ∂L/∂θ under the mask, on the
        minibatch of step x.
        """
        batch = next(ticket.batches(self.batch_size, purpose=f"iterative snip {x}"))
        return abs(ticket.initial.weights * loss_gradients(ticket, batch, mask=mask))
