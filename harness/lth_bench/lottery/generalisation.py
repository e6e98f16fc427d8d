"""Time to generalise: the step at which a training's validation metric first is good enough.

For tasks on which networks generalise long after they have memorised (grokking; Power et al.,
2022), where the accuracy at the end says little and the time to it is what methods differ by.
"""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.objectives import Metric
from lth_bench.training.state import CurvePoint


def generalisation(
    curve: Sequence[CurvePoint], threshold: float | None, primary: Metric
) -> dict[str, float]:
    """`generalisation_step` and `generalised` of a training; empty without a threshold.

    `generalisation_step` is the step of the first evaluation whose validation value of the primary
    metric is at least `threshold` (at most, where lower is better), counted from the start of the
    schedule, as the early-stopping step is. It is the first crossing, whatever comes later, and as
    fine as the recipe's `eval_every`. A training that never gets there is censored: its step is
    that of its last evaluation, the budget, and `generalised` is 0 instead of 1.
    """
    if threshold is None or not curve:
        return {}
    sign = 1 if primary.higher_is_better else -1
    for point in curve:
        if sign * point.val_score >= sign * threshold:
            return {"generalisation_step": float(point.step), "generalised": 1.0}
    return {"generalisation_step": float(curve[-1].step), "generalised": 0.0}
