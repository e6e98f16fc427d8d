"""Is a difference other than zero, by ranks: for few tasks, whose spreads are unlike."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lth_bench.stats.ranks import ranks

EXACT = 50
"""Differences up to which p is exact."""


def wilcoxon(differences: Iterable[float]) -> float:
    """Two-sided p of the signed-rank test (Wilcoxon, 1945).

    Asks less than the t-test of how the differences are spread, and pays for it at small n: the
    smallest p that exists is 2^(1 − n), so 0.05 is out of reach below n = 6. Zeros keep their ranks
    but take no side (Pratt, 1959); all zero gives 1. Differences are ties where they agree to nine
    digits of the largest. An infinite difference, such as that to a method which failed, ranks
    beyond every finite one. ValueError for no difference and for NaN.

    Exact to n = 50, given zeros and ties: the share of all 2^n signs that are as far from even.
    `scipy.stats.wilcoxon` has the same p where nothing ties, and by trying all signs up to n = 13
    where something does, in 2.4 s at 13; here by convolution in 0.06 ms. Beyond 50 it is scipy's
    normal approximation.
    """
    x = _scaled(differences)
    if not any(x):
        return 1.0
    if len(x) > EXACT:
        from scipy.stats import wilcoxon as test

        return float(test(x, zero_method="pratt", method="asymptotic").pvalue)
    import numpy as np

    signed = _signed_ranks(x)
    doubled = [round(abs(2 * rank)) for rank in signed if rank]
    ways = np.zeros(sum(doubled) + 1)
    ways[0] = 1  # ways[w] of the signs give the positive ranks the sum w / 2
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    positive = round(2 * sum(rank for rank in signed if rank > 0))
    tail = float(ways[: min(positive, sum(doubled) - positive) + 1].sum())
    return min(1.0, 2 * tail / 2.0 ** len(doubled))


def leaning(differences: Iterable[float]) -> float:
    """The sum of the signed ranks: above 0 where the ranks speak for positive differences."""
    return math.fsum(_signed_ranks(_scaled(differences)))


def _scaled(differences: Iterable[float]) -> list[float]:
    """In units of the largest finite one, rounded: roundoff must not decide between ranks."""
    x = [float(value) for value in differences]
    if not x:
        raise ValueError("a signed-rank test needs at least one difference, but got none")
    if any(map(math.isnan, x)):
        raise ValueError(f"a signed-rank test needs numbers, but got {x}")
    largest = max((abs(value) for value in x if math.isfinite(value)), default=0.0) or 1.0
    return [
        round(value / largest, 9) if math.isfinite(value) else math.copysign(2, value)
        for value in x
    ]


def _signed_ranks(x: list[float]) -> list[float]:
    """Each value's rank by size, the smallest 1, with its sign; 0 for a zero, which has a rank."""
    places = ranks(dict(enumerate(map(abs, x))), higher=False)
    return [math.copysign(places[i], value) if value else 0.0 for i, value in enumerate(x)]
