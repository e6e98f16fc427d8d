"""When the seeds suffice: paired t-tests repeated at fixed looks, at one constant nominal level.

Looking again after every seed until p < 0.05 calls one of four true ties different. Here a
comparison is looked at after 3, 4, 5, 6, 8, … pairs of seeds, and at each look it needs more:
p < .0064 to be better or worse, and TOST's p < .0072 to be equivalent (Pocock, 1977). These two
levels are calibrated for the t-tests of small samples, so that over all looks up to 60 pairs at
most 5% of true ties are called better or worse, and at most 5% of differences of the margin
equivalent; a lower maximum only lowers both (`stats.spent_error` has the exact error). What is
looked at are always the first n pairs in the order of the seeds, so that nothing depends on which
ones end first, and the first answer stays: also where the maximum is raised later, if it was one of
the looks (3, 4, …, 60); another maximum is a look of its own, which a higher one leaves out.

Exact for normal differences, safe for heavy tails on both sides and for rounded ones. Where a few
seeds collapse, or the tail lies on one side, all t-methods err more: 10 to 15% here, and 9 to 14%
at a fixed n of 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lth_bench.stats.predictive import chance_settled
from lth_bench.stats.significance import equivalence_p, paired_t, require_margin
from lth_bench.stats.summary import Summary
from lth_bench.stats.verdict import Stop, StopReason, Unit, Verdict, VerdictKind

LOOKS = (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)
"""Pairs of seeds after which a comparison is looked at."""
DIFFERENT, ALIKE = 0.0064, 0.0072
"""The level of the t-test, two-sided, and of the two one-sided tests, at each look."""
LEVEL = 1 - DIFFERENT
"""Of the repeated intervals."""
OVER_LOOKS = 1 - 0.05 / len(LOOKS)
"""A level for tests of other questions at a stop: by the union bound, 5% of all looks together."""
FUTILE = 0.10
"""A comparison stops where the chance that the maximum would settle it is below this."""
FEWEST, MOST_SEEDS, USUAL_SEEDS = LOOKS[0], LOOKS[-1], 30
"""Seeds at the first and the last look, and the maximum unless one is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialRule:
    """Until when seeds are added. ValueError for a margin or a maximum that there is not."""

    margin: float
    """Differences this small do not matter; above 0, in the unit of the differences."""
    maximum: int = USUAL_SEEDS
    """Pairs of seeds at most, from 3 to 60."""

    def __post_init__(self) -> None:
        require_margin(self.margin)
        if not FEWEST <= self.maximum <= MOST_SEEDS:
            raise ValueError(
                f"the maximum lies in [{FEWEST}, {MOST_SEEDS}] seeds, but got {self.maximum}"
            )

    @property
    def looks(self) -> tuple[int, ...]:
        """Those up to the maximum, which is one too."""
        return (*(n for n in LOOKS if n < self.maximum), self.maximum)


def look_after(n: int, maximum: int) -> int:
    """The first look at more than n pairs; the maximum where n reaches it."""
    return min(next((look for look in LOOKS if look > n), maximum), maximum)


@lru_cache(maxsize=256)
def critical_value(n: int, level: float) -> float:
    """The quantile `1 − level` of Student's t with n − 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - level))


def looks(
    pairs: Sequence[float | None],
    rule: SequentialRule,
    *,
    step: float = 0.0,
    higher: bool = True,
    unit: Unit = "points",
) -> Iterator[Verdict]:
    """What each look at A's differences A − B says, up to the one that decides; their `stop` says
    at how many pairs, and why no more are needed.

    `pairs` are in the order of the seeds, as far as they ended without a gap; None is a seed that A
    lost. At each look, with the deviation of at least half a `step`, the first that holds: A lost a
    seed, failed; better or worse, p < .0064; equivalent, TOST p < .0072; unlikely to be settled by
    the maximum, open.

    `p` is that of the look, and the interval of level 1 − .0064 (Jennison & Turnbull, 1989): at the
    stop it covers the truth in 95 to 99% of cases, where the 95% interval does in 89 to 93%. A
    decided mean is exaggerated: call it the estimate at the stop. `higher` and `unit` are those of
    `judge`.
    """
    for n in rule.looks:
        if n > len(pairs):
            return
        seen = pairs[:n]
        differences = [x for x in seen if x is not None]
        summary = Summary.of(differences).floored(step) if differences else None
        kind, why = _answer(summary, rule, n=n, lost=None in seen, higher=higher)
        stop = Stop(n, rule.maximum, why)
        yield _verdict(kind, summary, rule, stop=stop, unit=unit, lost=seen.count(None))
        if why != "to come":
            return


def decide(
    pairs: Sequence[float | None],
    rule: SequentialRule,
    *,
    step: float = 0.0,
    higher: bool = True,
    unit: Unit = "points",
) -> Verdict:
    """The last of `looks`: the first that decides, which stays whatever comes later, or an open
    one. Below three pairs there is none yet: insufficient, or failed if A lost a seed, which the
    first look is bound to say.
    """
    last = None
    for last in looks(pairs, rule, step=step, higher=higher, unit=unit):  # noqa: B007
        pass
    if last is not None:
        return last
    differences = [x for x in pairs if x is not None]
    summary = Summary.of(differences).floored(step) if differences else None
    lost = len(pairs) - len(differences)
    kind: VerdictKind = "failed" if lost else "insufficient"
    return _verdict(kind, summary, rule, stop=Stop(len(pairs), rule.maximum), unit=unit, lost=lost)


def _answer(
    summary: Summary | None, rule: SequentialRule, *, n: int, lost: bool, higher: bool
) -> tuple[VerdictKind, StopReason]:
    if lost or summary is None:
        return "failed", "lost"
    if paired_t(summary) < DIFFERENT:
        return ("better" if (summary.mean > 0) == higher else "worse"), "decided"
    if equivalence_p(summary, rule.margin) < ALIKE:
        return "equivalent", "decided"
    if n >= rule.maximum:
        return "open", "maximum"
    if chance_decided(summary, rule.maximum, rule.margin) < FUTILE:
        return "open", "futile"
    return "open", "to come"


def _verdict(
    kind: VerdictKind,
    summary: Summary | None,
    rule: SequentialRule,
    *,
    stop: Stop,
    unit: Unit,
    lost: int = 0,
) -> Verdict:
    p = p_equivalent = None
    if summary is not None and summary.n > 1:
        p, p_equivalent = paired_t(summary), equivalence_p(summary, rule.margin)
    return Verdict(
        kind=kind,
        summary=summary,
        p=p,
        margin=rule.margin,
        detectable=None,
        lost=lost,
        planned=stop.at,
        p_equivalent=p_equivalent,
        within=p_equivalent is not None and p_equivalent < ALIKE,
        level=LEVEL,
        unit=unit,
        stop=stop,
    )


def chance_decided(summary: Summary, n: int, margin: float) -> float:
    """The chance that a look at `n` pairs in all, more than there are, decides: in [0, 1], to about
    ±.01, from the predictive distribution. 1 where the pairs have no spread.
    """
    if not summary.deviation:
        return 1.0

    def settled(mean: Any, error: Any, n: int) -> Any:
        size = abs(mean)
        different, alike = critical_value(n, DIFFERENT / 2), critical_value(n, ALIKE)
        return (size > different * error) | (size + alike * error < margin)

    return chance_settled(summary, n, settled)


def p_over_looks(pairs: Sequence[float], step: float = 0.0) -> float:
    """A two-sided p that holds at any stop: min(1, 14 · the least p of the looks so far), by the
    union bound over all 14 looks. For many rows at once it goes to `holm`; 1 below three pairs.
    """
    found = [paired_t(Summary.of(pairs[:n]).floored(step)) for n in LOOKS if n <= len(pairs)]
    return min(1.0, len(LOOKS) * min(found, default=1.0))
