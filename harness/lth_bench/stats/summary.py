"""Count, mean and spread: all that the t-based functions need of a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from lth_bench.stats.interval import Interval, interval_of
from lth_bench.stats.moments import finite, moments


@dataclass(frozen=True, slots=True)
class Summary:
    """A sample told by three numbers, as a database's aggregates give them.

    Of paired differences A − B over seeds wherever two treatments are compared. There is no
    summary of no values: functions that allow for it take None.
    """

    n: int
    """At least 1."""
    mean: float
    deviation: float | None
    """Sample standard deviation (n − 1 in its denominator), at least 0; None exactly at n = 1."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"a summary needs at least one value, but got n={self.n}")
        if not math.isfinite(self.mean):
            raise ValueError(f"a summary needs a finite mean, but got {self.mean}")
        if (self.deviation is None) != (self.n == 1):
            raise ValueError(f"n={self.n} does not go with the deviation {self.deviation}")
        if self.deviation is not None and not 0 <= self.deviation < math.inf:
            raise ValueError(f"a deviation is finite and at least 0, but got {self.deviation}")

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """ValueError for no value and for a value that is not finite."""
        return cls(*moments(finite(values, "a summary")))

    @property
    def error(self) -> float | None:
        """Standard error of the mean, s / √n; None at n = 1."""
        return None if self.deviation is None else self.deviation / math.sqrt(self.n)

    def floored(self, step: float) -> Self:
        """With a deviation of half a `step` at least: the largest of a value between two steps.

        Accuracies on N test examples lie 1/N apart, so three seeds can agree to the image without
        their true values doing so; a deviation of 0 would call any difference certain. ValueError
        for a step below 0 or not finite.
        """
        if not 0 <= step < math.inf:
            raise ValueError(f"a step is finite and at least 0, but got {step}")
        if self.deviation is None or self.deviation >= step / 2:
            return self
        return replace(self, deviation=step / 2)

    def interval(self, level: float = 0.95) -> Interval:
        """The same as `t_interval` of the values."""
        return interval_of(self.n, self.mean, self.deviation, level)
