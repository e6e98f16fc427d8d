"""Intervals of a mean."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Interval(NamedTuple):
    """A mean and the interval that covers the true mean with the stated probability."""

    mean: float
    low: float | None
    """None where one value tells nothing about the spread."""
    high: float | None
    n: int
    """Values it was made from."""

    @property
    def half_width(self) -> float | None:
        """What is written after ±."""
        return None if self.high is None else self.high - self.mean


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Mean and two-sided t-interval: mean ± t(n − 1) · s / √n, s with n − 1 in its denominator.

    Assumes independent, roughly normal values; seeds of a training are. `level` lies in (0, 1).
    One value has no interval. ValueError for no value and for a value that is not finite.
    """
    from scipy.special import stdtrit  # scipy.stats.t.ppf's own function at a tenth of the import

    x = [float(value) for value in values]
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), but got {level}")
    if not x:
        raise ValueError("an interval needs at least one value, but got none")
    if not all(map(math.isfinite, x)):
        raise ValueError(f"an interval needs finite values, but got {x}")
    n = len(x)
    mean = math.fsum(x) / n
    if n == 1:
        return Interval(mean, None, None, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in x) / (n - 1))
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * deviation / math.sqrt(n)
    return Interval(mean, mean - reach, mean + reach, n)
