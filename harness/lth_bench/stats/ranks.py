"""Tests and places by rank: the signed-rank test, and where each of many methods could be."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations
from typing import TypeVar

from lth_bench.stats.paired import differences
from lth_bench.stats.significance import holm, paired_t
from lth_bench.stats.summary import Summary, require_fraction
from lth_bench.stats.verdict import LEAST

Label = TypeVar("Label", bound=Hashable)


def ranks(values: Mapping[Label, float | None], higher: bool = True) -> dict[Label, float]:
    """The place of each label, 1 the best; equal values share the mean of their places.

    None is a value that was lost, and worst. `higher` says whether larger values are better. As
    `scipy.stats.rankdata`, without its import of a second. ValueError for NaN.
    """
    good = {label: goodness(value, higher) for label, value in values.items()}
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(good.values(), reverse=True), 1):
        places.setdefault(value, []).append(place)
    return {label: (places[g][0] + places[g][-1]) / 2 for label, g in good.items()}


def goodness(value: float | None, higher: bool) -> float:
    """The value with such a sign that larger is better; −∞ for None. ValueError for NaN."""
    if value is None:
        return -math.inf
    if math.isnan(value):
        raise ValueError("a value to rank must be a number, but got nan")
    return value if higher else -value


Seed = TypeVar("Seed", bound=Hashable)


def rank_intervals(
    samples: Mapping[Label, Mapping[Seed, float | None]],
    level: float = 0.95,
    higher: bool = True,
    step: float = 0.0,
) -> dict[Label, tuple[int, int]]:
    """The 95% interval of each label's rank: best and worst.

    From 1 + the number of labels shown to be better to k − the number shown to be worse, by paired
    t-tests over the common seeds with Holm's correction over all pairs: all intervals hold together
    with probability `level` (Mogstad et al., 2024). A pair with fewer than three common seeds is
    not tested. With the same seeds everywhere an interval contains the place of the label's mean.

    Args:
        samples: Each label's values by seed; None where it lost the seed, so that it is shown
            to be better than no other. A seed that is absent says nothing.
        level: In (0, 1).
        higher: Whether larger values are better.
        step: The smallest difference that the measurement can show: see `Summary.floored`.
    """
    require_fraction("level", level)
    ok = {label: {s: v for s, v in x.items() if v is not None} for label, x in samples.items()}
    whole = {label for label in samples if len(ok[label]) == len(samples[label])}
    found: dict[tuple[Label, Label], Summary] = {}
    for a, b in combinations(samples, 2):
        common = differences(ok[a], ok[b])
        if len(common) >= LEAST and (a in whole or b in whole):
            found[a, b] = Summary.of(common.values()).floored(step)
    above, below = dict.fromkeys(samples, 0), dict.fromkeys(samples, 0)
    for pair, p in holm({pair: paired_t(summary) for pair, summary in found.items()}).items():
        if p >= 1 - level:
            continue
        winner, loser = pair if (found[pair].mean > 0) == higher else pair[::-1]
        if winner in whole:
            above[loser] += 1
            below[winner] += 1
    return {label: (1 + above[label], len(samples) - below[label]) for label in samples}


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
