"""What a ticket offers belongs to everybody."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, contract


@contract(
    "a hook leaves what it is given as it was: masks, trained, initial and start values, the "
    "dense run, the data, what a callback views",
    meet="work on copies: `x.clone()`, `abs(x)` and not `x.abs_()`, `scores * 2` and not "
    "`scores *= 2`, a new Mask instead of an assignment into mask.kept[...]; on_step changes "
    "weights by returning a Change",
)
def inputs(case: Case) -> None:
    """The dense run and the trainings behind a ticket are shared with other strategies, and the
    values of one round are what the next one starts from.

    Digests of everything lent are compared after every call of a hook, `on_step` and `until`.
    """
    fault = case.base.fault
    if fault is not None and fault.contract == "inputs":
        raise Broken(fault.what)
    case.require(case.base)
    case.require_happened(case.base)
