"""Contracts on seeds: the same seed repeats a result, another seed gives another mask."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.testing.recording import TEST_METRICS, Recording, differences
from lth_bench.training.keys import hash_tensors


@contract(
    "the same seed gives the same masks, values and metrics, bit for bit, in this process and in "
    "another",
    meet="draw from ticket.stream(purpose) or torch's global generator, which is seeded for every "
    "round, and never from random, numpy, the clock or id(); sort what comes out of a set; name a "
    "metric that measures time `…_seconds`, which exempts it",
)
def same_seed(case: Case) -> None:
    """The experiment is run twice here, each time from scratch, and once in a process with another
    hash seed. On a GPU or with several threads sums may differ; here they may not.
    """
    case.require(case.base)
    facts = case.base.facts()
    _same(case, facts, case.rerun, "a second run")
    report = case.in_new_process
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
    # that run had another test split: is the cause the seed or the split?
    once_more = case.clean_rerun
    if once_more.fault is not None:
        raise Broken(f"{what} ended early: {once_more.fault.what}")
    found = differences(facts, once_more.facts())
    if found:
        raise Broken(f"in a first and {what}, {found}")


def repeats(case: Case) -> bool:
    """Whether the experiment repeats within this process. Other contracts build on it."""
    if case.base.fault is not None:
        return False
    try:
        _same(case, case.base.facts(), case.rerun, "a second run")
    except Broken:
        return False
    return True


@contract(
    "another seed gives another mask, from other start values",
    meet="make every random draw a function of ticket.seed: ticket.stream(purpose) is one, "
    "torch.Generator().manual_seed(0) is not; if mask and start values are the same for every seed "
    "by design, such as a fixed pattern on pretrained weights, set seed_independent = True on the "
    "class",
)
def other_seed(case: Case) -> None:
    """Everything a ticket offers is a function of its seed: initial values, data order, the dense
    run, random streams. So randomness is the default; a strategy without any declares
    `seed_independent = True`. Otherwise the spread over seeds would be too small without any table
    showing it.
    """
    if case.flag("seed_independent"):
        raise NotApplicable(
            "seed_independent = True: mask and start values are the same for every seed"
        )
    if case.flag("dense_only"):
        raise NotApplicable("dense_only = True: the strategy decides nothing")
    case.require(case.base)
    other = case.other_seed
    if other.fault is not None:
        raise Broken(f"seed 0 runs, seed 1 does not: {other.fault.what}")
    for r, s in zip(case.base.rounds, other.rounds, strict=False):
        if hash_tensors(r.start.values) == hash_tensors(s.start.values):
            raise Broken(f"seeds 0 and 1 start from the same values, at density {r.target:g}")
    pairs = list(zip(case.base.tickets, other.tickets, strict=False))
    if pairs and all(a.trained.mask == b.trained.mask for a, b in pairs):
        counts = ", ".join(f"{a.trained.mask.count} weights at {a.target:g}" for a, _ in pairs)
        raise Broken(f"seeds 0 and 1 keep the same weights at every density ({counts})")
