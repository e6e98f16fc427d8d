"""Contracts on masks: exact counts; pruned weights stay pruned and are zero."""

from __future__ import annotations

import torch

from lth_bench.masks import Mask, count_at
from lth_bench.structure import removed_units
from lth_bench.structure.unit_masks import mask_of
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract


@contract(
    "a reported ticket keeps exactly round(density × prunable) weights, or under "
    "structured = True the largest reachable count below",
    meet="choose with Mask.top_k(scores, ticket.target_count), Mask.top_k_per_layer or "
    "ticket.mask.shrink, whose counts are exact; return more weights only if another round is to "
    "follow, and fewer only under structured = True; raise Unreachable where a density cannot "
    "be had",
)
def exact_density(case: Case) -> None:
    """Comparisons at a density are meaningless if methods keep different numbers of weights.

    Rounds continue until the trained mask has the target's count, so a larger mask is an
    intermediate round, and one that does not shrink is an error. A structured mask is judged by
    units: if every removed unit would still fit, the mask is smaller than necessary.
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
                f"{bench.total}, not {k}"
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
    # the method chooses the order of units, so a mask is too small only if any of them would fit
    if room and mask.count + max(room) <= k:
        raise Broken(
            f"at density {density:g} {mask.count} weights are kept although {k} are allowed: "
            f"whichever of the {len(room)} removed units came back would fit (the largest brings "
            f"{max(room)} weights)"
        )


@contract(
    "unless dynamic = True, a round's mask lies within the mask before it, and training leaves it "
    "as it was selected",
    meet="choose within ticket.mask: Mask.top_k(scores, k, within=ticket.mask) or "
    "ticket.mask.shrink(...); if weights are meant to return, or to be rewired while the ticket "
    "trains, set dynamic = True on the class",
)
def nested_masks(case: Case) -> None:
    """Judged for iterative strategies and any that take several rounds."""
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


@contract(
    "after training, every pruned weight is exactly zero, at the last step and at the early stop",
    meet="return what ticket.fit(...) returned: it holds pruned weights at zero in every step; "
    "where you change values yourself, call mask.apply_(values) before you return them",
)
def pruned_zero(case: Case) -> None:
    """Includes the biases, γ and β held at zero by a structured mask. Where the mask freezes pruned
    weights at other values, these are what they must be.

    The early-stopping state is judged unless the strategy is dynamic: an earlier state was under an
    earlier mask.
    """
    fault = case.base.fault
    if fault is not None and fault.contract == "pruned_zero":
        raise Broken(fault.what)
    if case.flag("dense_only"):
        raise NotApplicable("dense_only = True: nothing is pruned")
    case.require(case.base)
    for r in case.base.rounds:
        states = {"the last step": r.trained.values}
        if not case.flag("dynamic"):
            states["the early stop"] = r.trained.best.values
        for when, values in states.items():
            frozen = r.trained.mask.frozen_by_key()
            for key, kept in r.trained.mask.items_by_key().items():
                alive = int(((values[key] != frozen.get(key, 0)) & ~kept).sum())
                if alive:
                    raise Broken(
                        f"at {when}, towards density {r.target:g}, {alive} of "
                        f"{int((~kept).sum())} pruned entries of {key!r} are not zero"
                    )
    case.require_happened(case.base)
