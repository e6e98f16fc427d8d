"""Power of the paired t-test: the smallest difference that n seeds detect, and the seeds that a
difference needs.

Both are for the two-sided test and count only differences found with the right sign, as R's
`power.t.test` does. The spread is the observed one; the effect is one that matters, never the
observed mean, with which power would only restate the p-value (Hoenig & Heisey, 2001).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

from lth_bench.stats.summary import require_fraction


def minimum_detectable_effect(
    deviation: float, n: int, power: float = 0.8, level: float = 0.95
) -> float:
    """The true mean difference that n pairs show as significant with probability `power`.

    The δ with P(T > t) = power, where T is of the noncentral t-distribution with n − 1 degrees of
    freedom and noncentrality δ√n / deviation, and t its critical value (Cohen, 1988).

    Args:
        deviation: Standard deviation of the differences, at least 0, in the unit of the result.
        n: Pairs, at least 2.
        power: In ((1 − level) / 2, 1); by less, no difference at all would be found.
        level: 1 − α, in (0, 1).
    """
    _check(deviation, power, level)
    if n < 2:
        raise ValueError(f"a detectable effect needs n of at least 2, but got {n}")
    return deviation * _standardized(n, power, level)


def seeds_needed(
    effect: float, deviation: float, power: float = 0.8, level: float = 0.95, most: int = 1000
) -> int | None:
    """The smallest n, at least 2, at which `effect` is detectable; None if more than `most`.

    The deviation of a few differences is itself uncertain: at n = 3 the true one may be half of it
    or six times as large, and this number goes with its square. So say "about".
    """
    _check(deviation, power, level)
    if math.isnan(effect):
        raise ValueError("an effect must be a number, but got nan")
    effect = abs(effect)
    if effect == 0:
        return None

    def enough(n: int) -> bool:
        return deviation * _standardized(n, power, level) <= effect

    n = bisect_left(range(2, most + 1), True, key=enough) + 2
    return n if n <= most else None


@lru_cache(maxsize=65536)
def _standardized(n: int, power: float, level: float) -> float:
    """The detectable effect in standard deviations. Cached: a leaderboard asks for few n."""
    from scipy.special import nctdtrinc, stdtrit

    critical = stdtrit(n - 1, (1 + level) / 2)
    return float(nctdtrinc(n - 1, 1 - power, critical)) / math.sqrt(n)


def _check(deviation: float, power: float, level: float) -> None:
    require_fraction("level", level)
    if not (1 - level) / 2 < power < 1:
        raise ValueError(
            f"power must lie in ({(1 - level) / 2:g}, 1) at level {level}, but got {power}"
        )
    if not 0 <= deviation < math.inf:
        raise ValueError(f"a deviation is finite and at least 0, but got {deviation}")
