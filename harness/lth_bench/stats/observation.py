"""Where one more observation lies, given those that there are.

A rerun on another processor or another version of torch has other bits, and so, after enough steps,
another value. Whether that value is one that the recorded seeds make likely is what a prediction
interval says; a confidence interval of the mean is too narrow for it by a factor of √(n + 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from lth_bench.stats.summary import Interval, Summary, finite, require_fraction


def prediction_interval(
    values: Iterable[float], *, level: float = 0.95, step: float = 0.0
) -> Interval:
    """Mean of n values and the interval of a new observation from the same distribution.

    mean ± t(n − 1) · s · √(1 + 1/n), s with n − 1 in its denominator and at least half a `step`, as
    in `Summary.floored`. Assumes independent, roughly normal values. One value has no interval.
    ValueError for no value, for one that is not finite, and for a level outside (0, 1).
    """
    from scipy.special import stdtrit

    require_fraction("level", level)
    known = Summary.of(finite(values, "a prediction")).floored(step)
    if known.deviation is None:
        return Interval(known.mean, None, None, known.n)
    n = known.n
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * known.deviation * math.sqrt(1 + 1 / n)
    return Interval(known.mean, known.mean - reach, known.mean + reach, n)


def foreseen(interval: Interval, value: float) -> bool | None:
    """Whether a value lies in a prediction interval, its ends included; None where there is none.

    Ends are taken with a relative tolerance of 1e-9: they are computed, and accuracies lie on a
    grid whose points may fall on them.
    """
    if interval.low is None or interval.high is None:
        return None
    slack = 1e-9 * max(abs(interval.low), abs(interval.high), abs(value))
    return interval.low - slack <= value <= interval.high + slack
