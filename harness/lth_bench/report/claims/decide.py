"""Does an interval lie on a claim's side of its threshold, and if it cannot say, how many seeds
would?
"""

from __future__ import annotations

import math
from typing import Literal

from lth_bench.stats import Summary
from lth_bench.stats.interval import interval_of
from lth_bench.stats.verdict import LEAST

MOST = 100
"""Seeds beyond which "more than" is all that is said: the claim lies at its threshold."""

Decision = Literal["reproduced", "not reproduced", "insufficient"]


def decide(summary: Summary, accepted: tuple[float, float], level: float = 0.95) -> Decision:
    """What the t-interval of the true mean says of "the true mean lies within `accepted`".

    Reproduced where the whole interval lies within, its ends included; not reproduced where all
    of it lies outside; below three seeds, and otherwise, insufficient.
    """
    low, high = accepted
    interval = summary.interval(level)
    if interval.low is None or interval.high is None or summary.n < LEAST:
        return "insufficient"
    if low <= interval.low and interval.high <= high:
        return "reproduced"
    if interval.high < low or high < interval.low:
        return "not reproduced"
    return "insufficient"


def seeds_to_decide(
    summary: Summary, accepted: tuple[float, float], level: float = 0.95
) -> int | None:
    """Seeds at which the interval, with this mean and deviation, would leave the threshold out.

    At least 3; None if more than 100, and where one seed tells no deviation. It is a guess from
    the observed mean and says how far the question is from being decided, not that it will be.
    """
    if summary.deviation is None:
        return None
    distance = min(abs(summary.mean - end) for end in accepted if math.isfinite(end))
    for n in range(LEAST, MOST + 1):
        reach = interval_of(n, 0.0, summary.deviation, level).high
        if reach is not None and reach < distance:
            return n
    return None
