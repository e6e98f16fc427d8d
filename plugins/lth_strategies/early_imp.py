"""IMP by the weights of a step in mid-training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from lth_bench import Layers, Range, Ticket, Tune
from lth_strategies.imp import IMP


@dataclass(frozen=True, eq=False)
class EarlyIMP(IMP):
    """IMP that ranks weights by their magnitude at step k of training instead of at its end.

    Tickets are rewound to initialisation and trained in full, as with IMP; only the search ends
    early. On a task where networks memorise first and generalise much later, a step k after the one
    and before the other gives the memorising network's ticket, to compare with IMP's from the
    generalising one (Minegishi et al., 2023, "Bridging lottery ticket and grokking", who prune the
    dense network in a single round).

    Each round but the last trains twice: the ticket in full, which is reported where it is at a
    target density, and, if not found finished, up to step k, which is search.
    """

    mask_fraction: Annotated[float, Range(0, 1, open_low=True), Tune(0.05, 1.0)] = 0.2
    """Step k as a fraction of training, at least one step; at 1 it is IMP."""

    def mask_step(self, total_steps: int) -> int:
        """Step k, by whose weights masks are chosen."""
        return max(1, round(self.mask_fraction * total_steps))

    def scores(self, ticket: Ticket) -> Layers:
        """|θ| at step k, of the dense run or the ticket before."""
        k = self.mask_step(ticket.total_steps)
        if ticket.before is None:
            early = ticket.dense.at(k)
        elif k == ticket.before.step:
            early = ticket.before
        else:
            early = ticket.fit(end=k)
        return abs(early.weights)

    def dense_checkpoints(self, total_steps: int) -> Iterable[int]:
        """Steps of the dense run whose state is needed; it is saved during that training."""
        return [self.mask_step(total_steps)]

    def search_steps(self, total_steps: int) -> int:
        """Steps that a round's search takes ahead of the ticket's training."""
        return self.mask_step(total_steps)
