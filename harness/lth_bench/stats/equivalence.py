"""Is a mean difference small enough not to matter, which no insignificant difference shows."""

from __future__ import annotations

import math

from lth_bench.stats.significance import above_p, below_p
from lth_bench.stats.summary import Summary


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
