"""Seeds are what a comparison averages over."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.training.keys import hash_tensors


@contract(
    "another seed gives another mask, from other start values",
    meet="make every random draw a function of ticket.seed: ticket.stream(purpose) is one, "
    "torch.Generator().manual_seed(0) is not; if mask and start values are the same for every seed "
    "by design, such as a fixed pattern on pretrained weights, set seedless = True on the class",
)
def other_seed(case: Case) -> None:
    """Everything that a ticket offers is a function of its seed: initial values, the order of the
    data, the dense run, the streams. So randomness is the rule and needs no declaration; what
    does without declares `seedless = True`. A spread over seeds of which some part is the same
    each time is too small, and no table shows it.
    """
    if case.flag("seedless"):
        raise NotApplicable("seedless = True: mask and start values are the same for every seed")
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
