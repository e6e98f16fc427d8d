"""The unpruned network."""

from __future__ import annotations

from dataclasses import dataclass

from lth_bench import Mask, Ticket, hookimpl


@dataclass(frozen=True, eq=False)
class Dense:
    """The task's unpruned training, the baseline of every comparison.

    Reported at density 1.0 only; the dense run is not a round.
    """

    dense_only = True

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Keep every weight."""
        return ticket.mask
