"""Contracts on isolation: inputs are not changed; a result depends on its own experiment alone."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, NotJudged, contract
from lth_bench.testing.contracts.seeds import repeats
from lth_bench.testing.recording import TEST_METRICS, Recording, differences
from lth_bench.testing.witness import AFTER


@contract(
    "a hook leaves what it is given as it was: masks, trained, initial and start values, the "
    "dense run, the data, what a callback views",
    meet="work on copies: `x.clone()`, `abs(x)` and not `x.abs_()`, `scores * 2` and not "
    "`scores *= 2`, a new Mask instead of an assignment into mask.kept[...]; on_step changes "
    "weights by returning a Change",
)
def inputs(case: Case) -> None:
    """The dense run and the trainings behind a ticket are shared with other strategies, and one
    round's values are the next round's start.

    Digests of everything lent are compared after every call of a hook, `on_step` and `until`.
    """
    fault = case.base.fault
    if fault is not None and fault.contract == "inputs":
        raise Broken(fault.what)
    case.require(case.base)
    case.require_happened(case.base)


@contract(
    "the test split decides nothing, and no hook of the strategy looks at it",
    meet="select, stop and tune on ticket.batches(...) and on the validation accuracies of "
    "`trained.curve`; the default metrics report the test split",
)
def untouched_test_split(case: Case) -> None:
    """A ticket gives no access to the test split, so a strategy that reads it circumvents the
    interface.

    Accesses from within the strategy's hooks are counted, and the experiment is run once with a
    different test split: only test metrics may differ.
    """
    fault = case.base.fault
    if fault is not None and fault.contract == "untouched_test_split":
        raise Broken(fault.what)
    case.require(case.base)
    again = case.rerun
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

    Seed 0 is run alone; after seed 1, with all its trainings found finished; and in cohorts of two,
    with an empty slot and with seed 1 in the other slot. The last two are compared with each other,
    since another cohort size changes the last bits.
    """
    case.require(case.base)
    if not repeats(case):
        raise NotJudged("not judged: the experiment does not repeat, see 'same_seed'")
    if case.other_seed.fault is None:  # otherwise 'other_seed' reports it
        what = "alone, and after seed 1 with its own trainings found already done"
        _same(case.base, case.after_other_seed, what)
    if case.padded.fault is not None:
        raise Broken(f"in a cohort of two the experiment ended early: {case.padded.fault.what}")
    _same(case.padded, case.beside_other_seed, "seed 0 alone and side by side with seed 1")
    case.require_happened(case.base)


def _same(alone: Recording, beside: Recording, what: str) -> None:
    if beside.fault is not None:
        raise Broken(f"{what}: the second ended early, {beside.fault.what}")
    found = differences(alone.facts(), beside.facts())
    if found:
        raise Broken(f"{what}: {found}")


@contract(
    "an experiment that is stopped in mid-training and resumed gives the same result as one that "
    "was not stopped",
    meet="keep what a callback must remember from one step to the next in its view's memo, which "
    "is saved with the training: a list beside the callback, an attribute or a counter is empty "
    "again when a new process goes on",
)
def resumes_as_undisturbed(case: Case) -> None:
    """Long trainings write checkpoints: values, optimizer, mask, memo. After a crash a new process
    reruns the experiment, finds finished trainings, and resumes the others.

    Each training is interrupted after two and after four steps, searches that `until` stops
    included, and a new instance resumes from the checkpoint.
    """
    case.require(case.base)
    if not repeats(case):
        raise NotJudged("not judged: the experiment does not repeat, see 'same_seed'")
    if case.other_seed.fault is None and differences(
        case.base.facts(), case.after_other_seed.facts()
    ):
        raise NotJudged("not judged: finished trainings change it, see 'stacked_as_alone'")
    resumed, stops = case.resumed
    if not stops:
        raise NotApplicable("it trains nothing that is saved in mid-way")
    what = f"undisturbed, and stopped {stops} times in mid-training"
    if resumed.fault is not None:
        raise Broken(f"{what}: the second ended early, {resumed.fault.what}")
    found = differences(case.base.facts(), resumed.facts())
    if found:
        raise Broken(f"{what}: {found}")
    # changes before the first interruption need no memory
    case.require_happened(case.base, since=AFTER[0])
