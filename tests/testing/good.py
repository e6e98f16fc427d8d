"""A strategy without fault, as a one-file plugin: the broken ones spoil one thing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lth_bench import Layers, Mask, Range, Ticket, hookimpl


@dataclass(frozen=True, eq=False)
class Good:
    """Magnitudes of the dense run, in one step."""

    power: Annotated[float, Range(0, 4, open_low=True)] = 1.0
    """Exponent of the magnitude; the order does not depend on it."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The largest magnitudes stay."""
        return Mask.top_k(self.scores(ticket), ticket.target_count)

    def scores(self, ticket: Ticket) -> Layers:
        """By layer."""
        return Layers({n: abs(w) ** self.power for n, w in ticket.dense.trained.weights.items()})
