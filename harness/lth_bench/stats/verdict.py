"""What paired differences allow one to say, and what more seeds would be needed to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lth_bench.stats.equivalence import equivalence_p, require_margin
from lth_bench.stats.moments import require_fraction
from lth_bench.stats.power import minimum_detectable_effect, seeds_needed
from lth_bench.stats.significance import paired_t
from lth_bench.stats.summary import Summary

Kind = Literal["better", "worse", "equivalent", "undecided", "insufficient", "failed"]

LEAST = 3
"""Seeds below which there is no verdict: two differences have a spread with one degree of freedom,
and their t-interval is 13 standard errors wide on either side."""

MOST = 1000
"""Seeds beyond which "needs more than" is all that is said."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A's verdict against B at one place, from the seeds that both have."""

    kind: Kind
    summary: Summary | None
    """Of the differences A − B; None where no seed is common."""
    p: float | None
    """Two-sided, of the paired t-test; None below two pairs."""
    margin: float
    """Differences this small do not matter; in the unit of the differences."""
    detectable: float | None
    """The true difference that n seeds show with the stated power; None below two pairs."""
    needed: int | None
    """Seeds that show a difference as small as the margin, at least 3; None if the spread is
    unknown or if more than 1,000."""
    lost: int
    """Seeds that the method lost: failed or diverged."""
    planned: int
    """Seeds planned, whatever became of them."""
    p_equivalent: float | None = None
    """Of the two one-sided tests against the margin; None below two pairs."""
    within: bool = False
    """Shown to lie within the margin, even if also shown to be better or worse."""
    unit: str = "points"
    """"points": differences are of fractions and told in percent; otherwise told as they are."""

    @property
    def n(self) -> int:
        """Pairs it was made from."""
        return 0 if self.summary is None else self.summary.n

    @property
    def text(self) -> str:
        """Such as "insufficient seeds (n=3, needs about 8)"."""
        size = _size(self.margin, self.unit)
        if self.kind == "failed":
            return f"{self.lost} of {self.planned} seeds failed"
        if self.kind == "equivalent":
            return f"equivalent (within ±{size})"
        if self.kind == "undecided":
            return "no difference found"
        if self.kind == "insufficient":
            return f"insufficient seeds (n={self.n}, needs {self._needs()})"
        return f"{self.kind} (by less than {size})" if self.within else self.kind

    def _needs(self) -> str:
        if self.summary is None or self.summary.deviation is None or self.needed == LEAST:
            return f"at least {LEAST}"
        return f"more than {MOST}" if self.needed is None else f"about {self.needed}"


def judge(
    summary: Summary | None,
    margin: float = 0.005,
    level: float = 0.95,
    power: float = 0.8,
    lost: int = 0,
    planned: int | None = None,
    *,
    higher: bool = True,
    unit: str = "points",
) -> Verdict:
    """The verdict on A from its differences A − B, paired by seed. The first that holds:

    1. `lost` > 0: failed. A method that lost a seed is neither better nor equivalent.
    2. Fewer than three pairs: insufficient.
    3. paired t-test p < 1 − level: better or worse.
    4. TOST p < 1 − level: equivalent within the margin.
    5. n < the seeds that a difference of the margin needs at this spread: insufficient.
    6. Otherwise undecided: enough seeds to find a difference of the margin, and none found.

    One verdict is wrong with probability 1 − level at most. Nothing is corrected for the number of
    verdicts asked for: of 20 true ties one is called better or worse.

    Args:
        summary: Of the differences; None where no seed is common.
        margin: Above 0, in the unit of the differences: 0.005 is half a percentage point.
        level: 1 − α, in (0, 1).
        power: Of `needed` and `detectable`.
        lost: Seeds that the method failed or diverged at.
        planned: All seeds planned; by default those paired and those lost.
        higher: Whether larger values are better.
        unit: How `text` tells the margin: "points" times 100, any other as it is.
    """
    require_margin(margin)
    require_fraction("level", level)
    n = 0 if summary is None else summary.n
    planned = n + lost if planned is None else planned
    if not 0 <= lost <= planned:
        raise ValueError(f"lost seeds lie in [0, {planned}], the planned ones, but got {lost}")
    p = p_equivalent = detectable = needed = None
    if summary is not None and summary.deviation is not None:
        p, p_equivalent = paired_t(summary), equivalence_p(summary, margin)
        detectable = minimum_detectable_effect(summary.deviation, n, power, level)
        needed = seeds_needed(margin, summary.deviation, power, level, MOST)
        needed = None if needed is None else max(LEAST, needed)
    alpha = 1 - level
    within = p_equivalent is not None and p_equivalent < alpha
    kind: Kind
    if lost:
        kind = "failed"
    elif summary is None or p is None or n < LEAST:
        kind = "insufficient"
    elif p < alpha:
        kind = "better" if (summary.mean > 0) == higher else "worse"
    elif within:
        kind = "equivalent"
    elif needed is None or n < needed:
        kind = "insufficient"
    else:
        kind = "undecided"
    return Verdict(
        kind=kind,
        summary=summary,
        p=p,
        margin=margin,
        detectable=detectable,
        needed=needed,
        lost=lost,
        planned=planned,
        p_equivalent=p_equivalent,
        within=within,
        unit=unit,
    )


def _size(margin: float, unit: str) -> str:
    return f"{100 * margin:.6g} points" if unit == "points" else f"{margin:.6g} {unit}".rstrip()
