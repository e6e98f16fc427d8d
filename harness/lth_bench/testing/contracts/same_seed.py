"""A result can be had again."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, contract
from lth_bench.testing.recording import TEST_METRICS, Recording, differences


@contract(
    "the same seed gives the same masks, values and metrics, bit for bit, in this process and in "
    "another",
    meet="draw from ticket.stream(purpose) or torch's global generator, which is seeded for every "
    "round, and never from random, numpy, the clock or id(); sort what comes out of a set; name a "
    "metric that measures time `…_seconds`, which exempts it",
)
def same_seed(case: Case) -> None:
    """The experiment is run twice here, each time from nothing, and once in a process whose sets
    of strings are in another order. On a GPU or with more threads sums may differ; here they
    may not.
    """
    case.require(case.base)
    facts = case.base.facts()
    _same(case, facts, case.again, "a second run")
    report = case.elsewhere
    if report.fault:
        raise Broken(f"in another process the experiment ended early: {report.fault}")
    if report.facts is not None:
        found = differences(facts, report.facts)
        if found:
            raise Broken(f"here and in another process, {found}")
    case.require_happened(case.base)


def _same(case: Case, facts: dict[str, str], again: Recording, what: str) -> None:
    if again.fault is None and not differences(facts, again.facts(), without=TEST_METRICS):
        return
    # that run had another test split: is it the seed or the split?
    once_more = case.once_more
    if once_more.fault is not None:
        raise Broken(f"{what} ended early: {once_more.fault.what}")
    found = differences(facts, once_more.facts())
    if found:
        raise Broken(f"in a first and {what}, {found}")


def repeats(case: Case) -> bool:
    """Whether the experiment repeats within this process. Others build on it."""
    if case.base.fault is not None:
        return False
    try:
        _same(case, case.base.facts(), case.again, "a second run")
    except Broken:
        return False
    return True
