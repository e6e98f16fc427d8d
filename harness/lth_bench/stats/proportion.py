"""The interval of a chance, from how many of n seeds something happened at."""

from __future__ import annotations

import math

from lth_bench.stats.summary import Interval, require_fraction


def wilson(count: int, n: int, level: float = 0.95) -> Interval:
    """The share count / n and Wilson's score interval of the chance behind it (Wilson, 1927).

    The ends are (p + z²/2n ± √(z² p(1 − p)/n + z⁴/4n²)) / (1 + z²/n), with p the share and z the
    normal quantile of `level` in (0, 1). They lie in [0, 1], farther from p on the side of one
    half, and the interval keeps its width where all n agree: there a t-interval, of no spread,
    would have none. ValueError unless n ≥ 1 and 0 ≤ count ≤ n.
    """
    from scipy.special import ndtri

    require_fraction("level", level)
    if not (n >= 1 and 0 <= count <= n):
        raise ValueError(f"a share needs 0 <= count <= n and n >= 1, but got {count} of {n}")
    share, square = count / n, float(ndtri((1 + level) / 2)) ** 2
    middle = share + square / (2 * n)
    reach = math.sqrt(square * share * (1 - share) / n + square**2 / (4 * n**2))
    below, above = ((middle + side * reach) / (1 + square / n) for side in (-1, 1))
    return Interval(share, max(0.0, below), min(1.0, above), n)
