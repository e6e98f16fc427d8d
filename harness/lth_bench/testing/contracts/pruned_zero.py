"""A pruned weight is no weight."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract


@contract(
    "after training, every pruned weight is exactly zero, at the last step and at the early stop",
    meet="return what ticket.fit(...) returned: it holds pruned weights at zero in every step; "
    "where you change values yourself, call mask.apply_(values) before you return them",
)
def pruned_zero(case: Case) -> None:
    """Also of biases, γ and β that a structured mask holds.

    The state at the early stop is judged unless the strategy is dynamic: while a mask is rewired,
    an earlier state obeys an earlier mask.
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
            for key, kept in r.trained.mask.items_by_key().items():
                alive = int((values[key].masked_fill(kept, 0) != 0).sum())
                if alive:
                    raise Broken(
                        f"at {when}, towards density {r.target:g}, {alive} of "
                        f"{int((~kept).sum())} pruned entries of {key!r} are not zero"
                    )
    case.require_happened(case.base)
