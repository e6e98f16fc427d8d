"""The ends of the scale."""

from __future__ import annotations

from lth_bench.testing.case import HANDFUL, Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.testing.contracts.networks import judge


@contract(
    "the strategy works with all weights but one, and with a handful of weights left",
    meet="let counts be exact at any density (Mask.top_k, uniform and erk are); a layer may lose "
    "everything; where the method cannot go that far, raise lth_bench.errors.Unreachable with the "
    "smallest density or count that it reaches, in numbers",
)
def extreme_densities(case: Case) -> None:
    """All weights but one has to be reached by every strategy.

    A handful may be out of reach, where layers are spared or every layer keeps a unit: then
    `Unreachable` has to say how far the method gets, in numbers.
    """
    if case.flag("dense_only"):
        raise NotApplicable("dense_only = True: the strategy decides nothing")
    if case.reaches:
        there = ", ".join(f"{density:g}" for density in case.reaches)
        raise NotApplicable(f"reaches = ({there}): the ends of the scale are not among them")
    case.require(case.base)
    recording = case.extremes
    judge(case, recording, "extreme_densities", f"down to {HANDFUL} weights")
    for density, reason in recording.skipped.items():
        if density > 0.5:
            raise Broken(f"density {density:.4f}, one weight less than all, is skipped: {reason}")
        if not any(c.isdigit() for c in reason):
            raise Broken(
                f"density {density:.4f} is skipped, and the reason does not say how far the "
                f"method gets: {reason!r}"
            )
    case.require_happened(recording)
