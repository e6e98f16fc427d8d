"""A result is a function of its experiment alone."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotJudged, contract
from lth_bench.testing.contracts.same_seed import repeats
from lth_bench.testing.recording import Recording, differences


@contract(
    "an experiment gives the same result alone, after another, beside another, and when its "
    "trainings are found already done",
    meet="keep nothing on the class, in the module or in a cache of your own: a round's hooks pass "
    "data in ticket.memo, callbacks in their view's memo; what one round needs of the one before "
    "is ticket.mask and ticket.trained",
)
def stacked_as_alone(case: Case) -> None:
    """Experiments share a process, a network, a cache of trainings and cohorts, and run in any
    order.

    Seed 0 is run alone; after seed 1, when all its trainings are found already done; and in cohorts
    of two, with nobody and with seed 1 in the other place. The last two are compared with each
    other: another width gives other last bits.
    """
    case.require(case.base)
    if not repeats(case):
        raise NotJudged("not judged: the experiment does not repeat, see 'same_seed'")
    if case.other_seed.fault is None:  # otherwise 'other_seed' tells
        what = "alone, and after seed 1 with its own trainings found already done"
        _same(case.base, case.after, what)
    if case.padded.fault is not None:
        raise Broken(f"in a cohort of two the experiment ended early: {case.padded.fault.what}")
    _same(case.padded, case.beside, "seed 0 alone and side by side with seed 1")
    case.require_happened(case.base)


def _same(alone: Recording, beside: Recording, what: str) -> None:
    if beside.fault is not None:
        raise Broken(f"{what}: the second ended early, {beside.fault.what}")
    found = differences(alone.facts(), beside.facts())
    if found:
        raise Broken(f"{what}: {found}")
