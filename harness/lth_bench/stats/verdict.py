"""What paired differences allow one to say, and by how many seeds the rest may be settled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from lth_bench.stats.power import minimum_detectable_effect
from lth_bench.stats.predictive import MOST, Forecast, verdict_forecast
from lth_bench.stats.significance import equivalence_p, paired_t, require_margin
from lth_bench.stats.signs import sign_p
from lth_bench.stats.summary import Interval, Summary, require_fraction

Unit = str
""" "points": of fractions, written times 100. "ratio": of logarithms, written as factors. Any
other, such as "steps" or "": written as they are, and named where there is space."""

MINUS = "−"


def told(size: float, unit: Unit) -> str:
    """A size with its unit: "0.5 points", "10%", "50 steps"."""
    if unit == "points":
        return f"{100 * size:.6g} points"
    if unit == "ratio":
        return f"{100 * math.expm1(size):.6g}%"
    return f"{size:.6g} {unit}".rstrip()


def span(interval: Interval, unit: Unit) -> str:
    """An interval of a difference, without its unit: "−3.2 to +22.7", "0.81× to 1.30×"."""
    assert interval.low is not None and interval.high is not None
    ends = (interval.low, interval.high)
    if unit == "ratio":
        return " to ".join(f"{math.exp(end):.2f}×" for end in ends)
    if unit == "points":
        low, high = (100 * end for end in ends)
        decimals = 1 if high - low >= 2 else 2
        return " to ".join(_signed(f"{end:+.{decimals}f}") for end in (low, high))
    return " to ".join(_signed(f"{end:+.3g}") for end in ends)


def _signed(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


VerdictKind = Literal["better", "worse", "equivalent", "open", "insufficient", "failed"]

StopReason = Literal[
    "to come", "decided", "futile", "maximum", "lost", "skipped", "no baseline", "dropped",
    "other metric",
]  # fmt: skip
"""Why no seeds are added: a verdict, too little chance of one, the most allowed, a lost seed, a
density that cannot be reached; or none of the first three seeds is a pair, as the baseline lost
some of them, or as all of them ran out of memory or time; or the rule is that of another metric,
and what it decided is not this."""


NO_PAIR: Mapping[str, str] = {
    "no baseline": "no pair in the first 3 seeds, as the baseline lost seeds",
    "dropped": "no pair in the first 3 seeds, which ran out of memory or time",
}
"""What each reason for a comparison without any pair says."""


class Stop(NamedTuple):
    """Where seeds that are added until a comparison is decided have come to."""

    at: int
    """Pairs of seeds at the last look, or so far if there was none."""
    maximum: int
    """Pairs of seeds at most."""
    why: StopReason = "to come"

    @property
    def where(self) -> str:
        """`at 5 of 30`."""
        return f"at {self.at} of {self.maximum}"


BESIDE = "seeds were added by another metric"
"""What is said of a verdict that the rule which added them did not make."""

LEAST = 3
"""Seeds below which there is no verdict: two differences have a spread with one degree of freedom,
and their t-interval is 13 standard errors wide on either side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A's verdict against B at one place, from the seeds that both have."""

    kind: VerdictKind
    summary: Summary | None
    """Of the differences A − B, with the deviation that was judged by; None where no seed is
    common."""
    p: float | None
    """Two-sided, of the paired t-test; None below two pairs."""
    margin: float
    """Differences this small do not matter; in the unit of the differences."""
    detectable: float | None
    """The true difference that n seeds show with the stated power; None below two pairs."""
    lost: int
    """Seeds that the method lost: failed or diverged."""
    planned: int
    """Seeds planned, whatever became of them."""
    p_equivalent: float | None = None
    """Of the two one-sided tests against the margin; None below two pairs."""
    within: bool = False
    """Shown to lie within the margin, even if also shown to be better or worse."""
    level: float = 0.95
    unit: Unit = "points"
    """How differences are written: see `told`."""
    signs: tuple[int, ...] | None = None
    """By pair, where only their order was judged: +1 where A is better, 0 where that is unknown."""
    stop: Stop | None = None
    """Where seeds were added until decided (`stats.sequential`); None at a fixed number of them."""

    @property
    def n(self) -> int:
        """Pairs it was made from."""
        return 0 if self.summary is None else self.summary.n

    @property
    def forecast(self) -> Forecast | None:
        """By how many seeds an open verdict is likely to be settled; None of any other."""
        if self.kind != "open" or self.summary is None or not self.summary.deviation:
            return None
        if self.signs is not None or self.stop is not None:
            return None
        deviation = self.summary.deviation
        effect, margin = abs(self.summary.mean) / deviation, self.margin / deviation
        # three digits are more than the draws can tell, and let a leaderboard's rows share
        return verdict_forecast(self.n, _digits(effect), _digits(margin), self.level)

    @property
    def _beside(self) -> str:
        """The text where seeds were added by another metric: the same, and that it says so."""
        fixed = replace(self, stop=None)
        if self.kind != "open":
            return f"{fixed.text} ({BESIDE})"
        assert self.summary is not None
        return f"open: {span(self.summary.interval(self.level), self.unit)} ({BESIDE})"

    @property
    def text(self) -> str:
        """Such as "open: −3.2 to +22.7; settled by 4 seeds in 1 of 2 cases, by 7 in 4 of 5"."""
        size = told(self.margin, self.unit)
        if self.stop is not None and self.stop.why == "other metric":
            return self._beside
        if self.stop is not None and self.stop.why == "decided":
            within = f" (by less than {size})" if self.within else ""
            kind = f"equivalent within ±{size}" if self.kind == "equivalent" else self.kind + within
            return f"{kind} (decided {self.stop.where})"
        if self.stop is not None and self.stop.why in NO_PAIR:
            return f"not decided: {NO_PAIR[self.stop.why]}"
        if self.kind == "failed":
            return f"{self.lost} of {self.planned} seeds failed"
        if self.kind == "equivalent":
            return f"equivalent (within ±{size})"
        if self.kind == "insufficient":
            return f"needs {LEAST}+"
        if self.kind == "open" and self.signs is not None:
            ahead, behind = self.signs.count(1), self.signs.count(-1)
            return f"open: ahead on {ahead} of {self.n} seeds, behind on {behind} (sign test)"
        if self.kind == "open":
            assert self.summary is not None
            ends = span(self.summary.interval(self.level), self.unit)
            said = outlook(self.n, self.forecast) if self.stop is None else until(self.stop)
            return f"open: {ends}; {said}"
        return f"{self.kind} (by less than {size})" if self.within else self.kind


def judge(
    summary: Summary | None,
    margin: float = 0.005,
    *,
    level: float = 0.95,
    power: float = 0.8,
    lost: int = 0,
    planned: int | None = None,
    step: float = 0.0,
    higher: bool = True,
    unit: Unit = "points",
    signs: Sequence[int] | None = None,
) -> Verdict:
    """The verdict on A from its differences A − B, paired by seed. The first that holds:

    1. `lost` > 0: failed. A method that lost a seed is neither better nor equivalent.
    2. Fewer than three pairs: insufficient.
    3. paired t-test p < 1 − level: better or worse.
    4. TOST p < 1 − level: equivalent within the margin.
    5. Otherwise open: its interval says what the difference may be, `forecast` by how many seeds it
       is likely to be settled.

    One verdict is wrong with probability 1 − level at most. Nothing is corrected for the number of
    verdicts asked for: of 20 true ties one is called better or worse.

    Args:
        summary: Of the differences; None where no seed is common.
        margin: Above 0, in the unit of the differences: 0.005 is half a percentage point.
        level: 1 − α, in (0, 1).
        power: Of `detectable`.
        lost: Seeds that the method failed or diverged at.
        planned: All seeds planned; by default those paired and those lost.
        step: The smallest difference that the measurement can show: of accuracies on N test
            examples 1/N. The deviation counts as half of it at least (`Summary.floored`).
        higher: Whether larger values are better.
        unit: How `text` tells the margin and the interval.
        signs: Where only the order of the pairs is known, such as of times that were not reached:
            by pair +1 where A is better, −1 where worse, 0 where unknown. Then 3. is the sign
            test, and nothing is called equivalent.
    """
    require_margin(margin)
    require_fraction("level", level)
    n = 0 if summary is None else summary.n
    planned = n + lost if planned is None else planned
    if not 0 <= lost <= planned:
        raise ValueError(f"lost seeds lie in [0, {planned}], the planned ones, but got {lost}")
    p = p_equivalent = detectable = None
    if summary is not None:
        summary = summary.floored(step)
    if summary is not None and summary.deviation is not None:
        p, p_equivalent = paired_t(summary), equivalence_p(summary, margin)
        detectable = minimum_detectable_effect(summary.deviation, n, power, level)
    if signs is not None:
        p, p_equivalent, detectable = sign_p(signs), None, None
    alpha = 1 - level
    within = p_equivalent is not None and p_equivalent < alpha
    kind: VerdictKind
    if lost:
        kind = "failed"
    elif summary is None or p is None or n < LEAST:
        kind = "insufficient"
    elif p < alpha:
        ahead = sum(signs) > 0 if signs is not None else (summary.mean > 0) == higher
        kind = "better" if ahead else "worse"
    elif within:
        kind = "equivalent"
    else:
        kind = "open"
    return Verdict(
        kind=kind,
        summary=summary,
        p=p,
        margin=margin,
        detectable=detectable,
        lost=lost,
        planned=planned,
        p_equivalent=p_equivalent,
        within=within,
        level=level,
        unit=unit,
        signs=None if signs is None else tuple(signs),
    )


def until(stop: Stop) -> str:
    """What comes of an open comparison to which seeds are added: "unlikely by 30 seeds"."""
    if stop.why == "futile":
        return f"unlikely by {stop.maximum} seeds (stopped at {stop.at})"
    if stop.why == "maximum":
        return f"not decided by {stop.maximum} seeds"
    if stop.why == "skipped":
        return f"not decided by {stop.at} seeds, and another cannot reach the density"
    return f"not decided by {stop.at} seeds, of {stop.maximum} at most"


def outlook(n: int, found: Forecast | None) -> str:
    """A forecast from n seeds in words: "settled by 4 seeds in 1 of 2 cases, by 7 in 4 of 5"."""
    if n >= MOST:
        return f"not settled by {n} seeds"
    if found is None or found.n80 is None:
        return f"unlikely to settle below {MOST} seeds"
    if found.n50 == found.n80:
        return f"settled by {found.n80} seeds in 4 of 5 cases"
    return f"settled by {found.n50} seeds in 1 of 2 cases, by {found.n80} in 4 of 5"


def short_outlook(n: int, found: Forecast | None) -> str:
    """The same for a narrow cell: "~4–7", ">100"."""
    if found is None or found.n80 is None:
        return f">{max(n, MOST)}"
    return f"~{found.n80}" if found.n50 == found.n80 else f"~{found.n50}–{found.n80}"


def _digits(x: float) -> float:
    return float(f"{x:.3g}")
