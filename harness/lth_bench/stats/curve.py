"""What a curve of a metric over densities comes to in one number: its area, where it falls short.

Densities are kept fractions in (0, 1), and curves are straight lines between them on a logarithmic
scale of the density, as figures draw them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

ROUNDOFF = 1e-12
"""How far below what it must reach a mean may come out by the last bits of its sum; relative to
what it must reach, where that is above 1."""


def reaches(value: float, least: float) -> bool:
    """Whether a value is at least `least`, but for the last bits."""
    return value >= least - ROUNDOFF * max(1.0, abs(least))


def area(means: Mapping[float, float], dense: float) -> float:
    """Area under a mean by the trapezoid rule over log density, from the dense run to the sparsest
    density, divided by that range of log density.

    The area is linear in the means, so the area of the means is the mean of the seeds' areas.

    Args:
        means: Mean of the metric by density below 1.
        dense: Mean of the dense runs, at density 1.
    """
    points = [(1.0, dense), *sorted(means.items(), reverse=True)]
    whole = 0.0
    for (d, a), (e, b) in pairwise(points):
        whole += (a + b) / 2 * (math.log(d) - math.log(e))
    return whole / (math.log(points[0][0]) - math.log(points[-1][0]))


def matching_density(means: Mapping[float, float], least: float) -> float:
    """The density at which the mean falls below `least`.

    Interpolated linearly over log density from the sparsest density that reaches `least` to the
    next sparser one, so that settings can differ between two densities. 1 where no density reaches
    it: the dense run matches itself.

    Args:
        means: Mean of the metric by density below 1; higher is better.
        least: In the unit of the means.
    """
    points = sorted(means.items(), reverse=True)
    last = max((i for i, (_, mean) in enumerate(points) if reaches(mean, least)), default=None)
    if last is None:
        return 1.0
    density, mean = points[last]
    if last + 1 == len(points):
        return density
    below, lower = points[last + 1]
    part = max(0.0, mean - least) / (mean - lower)
    return math.exp((1 - part) * math.log(density) + part * math.log(below))
