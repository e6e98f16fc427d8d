"""Is a mean difference other than zero, or small enough not to matter; and many tests at once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

from lth_bench.stats.summary import Summary

Key = TypeVar("Key", bound=Hashable)


def above_p(summary: Summary, null: float = 0.0) -> float:
    """One-sided p of the t-test against "the true mean is at most `null`".

    p = P(T ≥ (mean − null) / (s / √n)), T of Student's distribution with n − 1 degrees of freedom.
    One value is no evidence: 1. Equal values: 0 when they lie above `null`, otherwise 1.
    """
    from scipy.special import stdtr

    error = summary.error
    if error is None:
        return 1.0
    if error == 0:
        return 0.0 if summary.mean > null else 1.0
    return float(stdtr(summary.n - 1, -(summary.mean - null) / error))


def below_p(summary: Summary, null: float = 0.0) -> float:
    """One-sided p against "the true mean is at least `null`": `above_p` mirrored."""
    return above_p(Summary(summary.n, -summary.mean, summary.deviation), -null)


def paired_t(summary: Summary) -> float:
    """Two-sided p of the paired t-test (Student, 1908), from the summary of the differences.

    Equals `scipy.stats.ttest_rel` of the two sides. Where scipy has no answer this one says what
    its formula tends to: equal differences give 0, all zero 1, and a single difference 1.
    """
    away = Summary(summary.n, abs(summary.mean), summary.deviation)
    return min(1.0, 2 * above_p(away))


def holm(ps: Mapping[Key, float]) -> dict[Key, float]:
    """p-values adjusted for their number by Holm's step-down method (Holm, 1979), in `ps`' order.

    The i-th smallest of m becomes the largest of (m − j + 1) · p(j) over j ≤ i, at most 1. Claims
    with an adjusted p below α hold together with probability 1 − α, however the tests depend on
    one another. scipy has no Holm. ValueError for a p outside [0, 1].
    """
    for key, p in ps.items():
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value lies in [0, 1], but {key!r} has {p}")
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for place, key in enumerate(sorted(ps, key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[key]))
        adjusted[key] = largest
    return {key: adjusted[key] for key in ps}


def equivalence_p(summary: Summary, margin: float) -> float:
    """p of "the true mean difference lies within ±margin", by two one-sided t-tests (TOST).

    The larger of the p against "at most −margin" and against "at least +margin" (Schuirmann,
    1987). Below α exactly when the (1 − 2α) t-interval lies inside (−margin, margin). `margin`,
    above 0, has the unit of the differences. A single difference gives 1.
    """
    require_margin(margin)
    return max(above_p(summary, -margin), below_p(summary, margin))


def not_worse_p(summary: Summary, margin: float) -> float:
    """p of "the true mean difference is above −margin": non-inferiority, TOST's lower half.

    `margin` is at least 0; at 0 this is the one-sided test for better.
    """
    if margin != 0:
        require_margin(margin)
    return above_p(summary, -margin)


def require_margin(margin: float) -> None:
    """ValueError unless the margin is finite and above 0."""
    if not 0 < margin < math.inf:
        raise ValueError(f"a margin must be finite and above 0, but got {margin}")
