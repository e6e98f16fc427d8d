"""A training that was stopped in mid-way goes on as if it had not been."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, NotJudged, contract
from lth_bench.testing.contracts.same_seed import repeats
from lth_bench.testing.recording import differences
from lth_bench.testing.stopping import AFTER


@contract(
    "an experiment that is stopped in mid-training and goes on from there gives the same result as "
    "one that was not",
    meet="keep what a callback must remember from one step to the next in its view's memo, which "
    "is saved with the training: a list beside the callback, an attribute or a counter is empty "
    "again when a new process goes on",
)
def resumes_as_undisturbed(case: Case) -> None:
    """Long trainings save themselves from time to time: values, optimiser, mask, memo. After a
    crash a new process plays the experiment anew, finds what was finished, and goes on from there.

    Each training is stopped after two and after four steps, searches that `until` ends included,
    and a new instance goes on from the checkpoint.
    """
    case.require(case.base)
    if not repeats(case):
        raise NotJudged("not judged: the experiment does not repeat, see 'same_seed'")
    if case.other_seed.fault is None and differences(case.base.facts(), case.after.facts()):
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
    # what it changes before the first stop needs no memory
    case.require_happened(case.base, since=AFTER[0])
