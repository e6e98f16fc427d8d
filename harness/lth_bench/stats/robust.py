"""Aggregates that one bad run does not carry off (Agarwal et al., 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lth_bench.stats.moments import finite


def interquartile_mean(values: Iterable[float]) -> float:
    """Mean of the middle half: ⌊n / 4⌋ values are left out at either end.

    `scipy.stats.trim_mean(values, 0.25)` without its import of a second. Below four values it is
    the plain mean. ValueError for no value and for a value that is not finite.
    """
    x = sorted(finite(values, "an interquartile mean"))
    cut = len(x) // 4
    middle = x[cut : len(x) - cut]
    return math.fsum(middle) / len(middle)


def probability_of_improvement(a: Iterable[float], b: Iterable[float]) -> float:
    """The chance that a run of A has a larger value than a run of B, ties counting half.

    Over all pairs of runs, whatever their seeds: U / (n m) of Mann & Whitney (1947). 0.5 where
    nothing speaks for either. ValueError for no value and for a value that is not finite.
    """
    x, y = finite(a, "a chance to improve"), finite(b, "a chance to improve")
    won = sum((one > other) + 0.5 * (one == other) for one in x for other in y)
    return won / (len(x) * len(y))
