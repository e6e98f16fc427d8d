"""At how many seeds comparisons are likely to stop, by simulating the rule that stops them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from lth_bench.stats.sequential import SequentialRule, looks
from lth_bench.stats.summary import Summary

if TYPE_CHECKING:
    from numpy.random import Generator

TYPICAL = tuple(
    (effect, spread) for spread in (0.4, 1.0, 2.0, 4.0) for effect in (0.0, 0.5, 1, 2, 3)
)
"""Effects and deviations of differences in margins, where nothing is known yet: from differences
that the seeds hardly blur to those that they hide."""
DRAWS = 40
"""Simulated continuations of each."""


def expected_stops(
    pairs: Sequence[float], rule: SequentialRule, *, step: float = 0.0, draws: int = DRAWS
) -> list[int]:
    """Pairs at which a comparison stops, in `draws` ways in which it may go on.

    Mean and deviation of further pairs are drawn from what the three or more that there are leave
    possible, as in `stats.predictive`, or else are typical ones. The same arguments give the same.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    if len(pairs) < rule.looks[0]:
        found = typical_stops(rule.maximum)
        return [found[i] for i in rng.integers(len(found), size=draws)]
    summary = Summary.of(pairs).floored(step)
    assert summary.deviation is not None
    more = rule.maximum - len(pairs)
    stops = []
    for _ in range(draws):
        sigma = summary.deviation * math.sqrt((summary.n - 1) / rng.chisquare(summary.n - 1))
        mean = rng.normal(summary.mean, sigma / math.sqrt(summary.n))
        to_come = rng.normal(mean, sigma, size=max(0, more)).tolist()
        stops.append(stop_of([*pairs, *to_come], rule, step=step))
    return stops


@lru_cache(maxsize=64)
def typical_stops(maximum: int) -> tuple[int, ...]:
    """Where 20 simulated comparisons of each of the typical kinds stop; 2 s at 30 seeds."""
    import numpy as np

    rng = np.random.default_rng(1)
    rule = SequentialRule(margin=1.0, maximum=maximum)
    return tuple(
        stop_of(_normal(rng, effect, spread, maximum), rule)
        for effect, spread in TYPICAL
        for _ in range(20)
    )


def stop_of(pairs: Sequence[float], rule: SequentialRule, *, step: float = 0.0) -> int:
    """Pairs at the last look at these."""
    at = 0
    for verdict in looks(pairs, rule, step=step):
        assert verdict.stop is not None
        at = verdict.stop.at
    return at


def _normal(rng: Generator, mean: float, deviation: float, n: int) -> list[float]:
    return [float(x) for x in rng.normal(mean, deviation, size=n)]
