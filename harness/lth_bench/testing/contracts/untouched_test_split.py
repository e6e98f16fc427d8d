"""The test split is for the report."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotJudged, contract
from lth_bench.testing.contracts.same_seed import repeats
from lth_bench.testing.recording import TEST_METRICS, differences


@contract(
    "the test split decides nothing, and no hook of the strategy looks at it",
    meet="select, stop and tune on ticket.batches(...) and on the validation accuracies of "
    "`trained.curve`; the default metrics report the test split",
)
def untouched_test_split(case: Case) -> None:
    """A ticket does not lead to the test split, so whoever gets there went out of his way.

    Accesses from within the strategy's hooks are counted, and the experiment is run once with
    another test split in the place of the usual one: nothing but the test metrics may differ.
    """
    fault = case.base.fault
    if fault is not None and fault.contract == "untouched_test_split":
        raise Broken(fault.what)
    case.require(case.base)
    again = case.again
    if again.fault is not None and again.fault.contract == "untouched_test_split":
        raise Broken(again.fault.what)
    if not repeats(case):
        raise NotJudged("not judged: the experiment does not repeat, see 'same_seed'")
    if again.fault is not None:
        raise Broken(f"with another test split the experiment ended early: {again.fault.what}")
    found = differences(case.base.facts(), again.facts(), without=TEST_METRICS)
    if found:
        raise Broken(f"with one test split and with another, {found}")
    case.require_happened(case.base)
