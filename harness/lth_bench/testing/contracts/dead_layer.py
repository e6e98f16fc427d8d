"""A layer may be dead before a method comes to it."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.testing.contracts.networks import judge


@contract(
    "the strategy works where a layer is dead already: its weights, gradients and scores all zero, "
    "and for an iterative strategy nothing of it left in ticket.mask",
    meet="divide by a layer's count, norm or sum of scores only where it is above zero; scores may "
    "all be equal, and a layer may keep nothing",
)
def dead_layer(case: Case) -> None:
    """Layers die at low densities and from unlucky values; the others are still to be ranked.

    The network has a layer `dead` whose weights and inputs are zero. An iterative strategy also
    finds it pruned to nothing in the first round's `ticket.mask`.
    """
    if case.flag("dense_only"):
        raise NotApplicable("dense_only = True: the strategy decides nothing")
    case.require(case.base)
    judge(case, case.dead_layer, "dead_layer", "with a dead layer 'dead'")
    if not case.dead_layer.tickets:
        why = "; ".join(dict.fromkeys(case.dead_layer.skipped.values()))
        raise Broken(f"with a dead layer 'dead', no density is reached: {why}")
    case.require_happened(case.dead_layer)
