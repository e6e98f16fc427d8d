"""Does an interval lie on a claim's side of its threshold, and if not yet, by how many seeds?"""

from __future__ import annotations

from typing import Literal

from lth_bench.stats import Forecast, Summary, forecast
from lth_bench.stats.predictive import inside_or_outside
from lth_bench.stats.verdict import LEAST

Decision = Literal["reproduced", "not reproduced", "open", "insufficient"]


def decide(summary: Summary, accepted: tuple[float, float], level: float = 0.95) -> Decision:
    """What the t-interval of the true mean says of "the true mean lies within `accepted`".

    Reproduced where the whole interval lies within, its ends included; not reproduced where all
    of it lies outside; below three seeds insufficient, and otherwise open.
    """
    low, high = accepted
    interval = summary.interval(level)
    if interval.low is None or interval.high is None or summary.n < LEAST:
        return "insufficient"
    if low <= interval.low and interval.high <= high:
        return "reproduced"
    if interval.high < low or high < interval.low:
        return "not reproduced"
    return "open"


def outlook_of(
    summary: Summary, accepted: tuple[float, float], level: float = 0.95
) -> Forecast | None:
    """By how many seeds the interval is likely to leave the threshold out, on either side.

    None below three seeds, and where there is no spread to predict from.
    """
    if summary.n < LEAST or not summary.deviation:
        return None
    return forecast(summary, inside_or_outside(*accepted, level))
