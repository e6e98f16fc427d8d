"""The exact sign test, for pairs of which only the order is known."""

from __future__ import annotations

import math
from collections.abc import Sequence


def sign_p(signs: Sequence[int]) -> float:
    """Two-sided p of "either side is as likely to be ahead" (Arbuthnot, 1710; Dixon & Mood, 1946).

    `signs` are +1 or −1 by pair, and 0 where it is not known which side is ahead, or neither is:
    these say nothing and are left out. Of m others, with w in the majority, p = min(1, 2 P(X ≥ w)),
    X binomial with m and one half: five pairs never give p < 0.05, and six that agree give 0.031.
    """
    ahead, behind = (sum(sign == side for sign in signs) for side in (1, -1))
    m, w = ahead + behind, max(ahead, behind)
    return min(1.0, 2 * sum(math.comb(m, i) for i in range(w, m + 1)) / float(2**m))
