"""What is pruned stays pruned, unless the method says otherwise."""

from __future__ import annotations

from lth_bench.masks import Mask
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract


@contract(
    "unless dynamic = True, a round's mask lies within the mask before it, and training leaves it "
    "as it was selected",
    meet="choose within ticket.mask: Mask.top_k(scores, k, within=ticket.mask) or "
    "ticket.mask.shrink(...); if weights are meant to return, or to be rewired while the ticket "
    "trains, set dynamic = True on the class",
)
def nested_masks(case: Case) -> None:
    """Judged over the rounds of an iterative strategy and of any that takes several rounds."""
    fault = case.base.fault
    if fault is not None and fault.contract == "nested_masks":
        raise Broken(fault.what)
    if case.flag("dynamic"):
        raise NotApplicable("dynamic = True: weights may return")
    case.require(case.base)
    if all(r.before.count == r.before.total for r in case.base.rounds):
        raise NotApplicable("each density starts from the dense network and takes one round")
    for i, r in enumerate(case.base.rounds):
        for name, returned in _returned(r.before, r.trained.mask).items():
            if returned:
                raise Broken(f"{returned} weights of layer {name!r} return in round {i}")


def _returned(before: Mask, after: Mask) -> dict[str, int]:
    return {name: int((kept & ~before.kept[name]).sum()) for name, kept in after.kept.items()}
