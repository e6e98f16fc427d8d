"""Every strategy is reported at the same densities."""

from __future__ import annotations

import torch

from lth_bench.masks import Mask, count_at
from lth_bench.structure import removed_units
from lth_bench.structure.unit_masks import mask_of
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, contract


@contract(
    "a reported ticket keeps exactly round(density × prunable) weights, or under "
    "structured = True the largest reachable count below",
    meet="choose with Mask.top_k(scores, ticket.target_count), Mask.top_k_per_layer or "
    "ticket.mask.shrink, whose counts are exact; return more weights only if another round is to "
    "follow, and fewer only under structured = True; raise Unreachable where a density cannot "
    "be had",
)
def exact_density(case: Case) -> None:
    """Comparisons at a density mean nothing where the methods keep different numbers of weights.

    Rounds go on until the trained mask has the target's count, so a mask that is too large is a
    round on the way, and one that does not shrink is an error. A structured mask is judged by
    units: where any removed unit would still have fitted, the mask is smaller than it had to be.
    """
    fault = case.base.fault
    if fault is not None and fault.contract == "exact_density":
        raise Broken(fault.what)
    case.require(case.base)
    bench = case.bench()
    for ticket in case.base.tickets:
        mask, k = ticket.trained.mask, count_at(ticket.target, bench.total)
        if case.flag("structured"):
            _largest_below(bench, mask, ticket.target, k)
        elif mask.count != k:
            raise Broken(
                f"at density {ticket.target:g} the trained mask keeps {mask.count} weights of "
                f"{bench.total}, and not {k}"
            )
    case.require_happened(case.base)
    if not case.base.tickets:
        reasons = "; ".join(f"{d:g}: {why}" for d, why in case.base.skipped.items())
        raise Broken(
            f"no density was reached on the {case.network} network ({reasons}); `network` names "
            f"another one, and `reaches` on the class the densities that the method can have"
        )


def _largest_below(bench: WatchedBench, mask: Mask, density: float, k: int) -> None:
    if mask.count > k:
        raise Broken(f"at density {density:g} {mask.count} weights are kept, more than {k}")
    removed = removed_units(bench.units, mask)
    kept = [~gone for gone in removed]
    now = mask_of(bench.units, bench.layers, kept).count
    room = []
    for g, gone in enumerate(removed):
        for unit in torch.nonzero(gone).flatten().tolist():
            more = [k.clone() for k in kept]
            more[g][unit] = True
            room.append(mask_of(bench.units, bench.layers, more).count - now)
    # which unit comes next is the method's choice, so only a mask with room for any is too small
    if room and mask.count + max(room) <= k:
        raise Broken(
            f"at density {density:g} {mask.count} weights are kept although {k} are allowed: "
            f"whichever of the {len(room)} removed units came back would fit (the largest brings "
            f"{max(room)} weights)"
        )
