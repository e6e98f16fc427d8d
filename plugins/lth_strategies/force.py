"""FORCE: foresight connection sensitivity, whose pruned weights may return."""

from __future__ import annotations

from dataclasses import dataclass

from lth_bench import Mask, Ticket
from lth_strategies.iter_snip import IterSNIP


@dataclass(frozen=True, eq=False)
class FORCE(IterSNIP):
    """FORCE (de Jorge et al., 2021, "Progressive skeletonization", section 4, algorithm 1).

    As Iterative SNIP, with the same schedule and minibatches, except that every weight of the
    network is ranked at every step, by its initial value and the gradient under the mask so far: a
    weight that was pruned comes back where it would matter after pruning.

    Cost: `rounds` gradients of a minibatch; no training. Deviations are those of SNIP.
    """

    def kept(self, ticket: Ticket, mask: Mask, k: int, x: int) -> Mask:
        """The mask after step x, of `k` weights of the whole network."""
        return Mask.top_k(self.scores(ticket, mask, x), k)
