"""Magnitude pruning at initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lth_bench import Layers, Mask, Ticket, hookimpl, uniform


@dataclass(frozen=True, eq=False)
class MagnitudeInit:
    """Keeps the initial weights of largest magnitude and trains them from these values.

    The simplest baseline of pruning at initialisation (Frankle et al., 2021, "Pruning neural
    networks at initialization: why are we missing the mark?", section 3). No data, no gradients,
    no cost of search.

    Ranked globally, wide layers, whose initial values are small, lose most: at low densities a
    layer may lose all of its weights (layer collapse), which boards then say. Networks whose
    initial weights all have one magnitude are ranked by position.
    """

    scope: Literal["global", "layer"] = "global"
    """Rank magnitudes over all layers, as the paper does, or within each, at the same density."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The target's count of largest initial magnitudes."""
        scores = self.scores(ticket)
        if self.scope == "global":
            return Mask.top_k(scores, ticket.target_count)
        return Mask.top_k_per_layer(scores, uniform(ticket.layers, ticket.target_count))

    def scores(self, ticket: Ticket) -> Layers:
        """|θ| of every prunable weight at initialisation."""
        return abs(ticket.initial.weights)
