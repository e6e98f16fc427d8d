"""Count, mean, spread and t-interval: what the functions here need of a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self


def finite(values: Iterable[float], what: str = "an interval") -> list[float]:
    """The values as a list. ValueError for no value, and for NaN or an infinity among them."""
    x = [float(value) for value in values]
    if not x:
        raise ValueError(f"{what} needs at least one value, but got none")
    if not all(map(math.isfinite, x)):
        raise ValueError(f"{what} needs finite values, but got {x}")
    return x


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean, its sum exact. ValueError for no value and for one that is not finite."""
    x = finite(values, "a mean")
    return math.fsum(x) / len(x)


def moments(values: list[float]) -> tuple[int, float, float | None]:
    """Count, mean and standard deviation with n − 1 in its denominator (None at n = 1).

    Sums are exact (`math.fsum`), so the order of the values does not matter; equal values have
    a deviation of exactly 0, whatever a rounded mean would leave.
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return 1, mean, None
    if min(values) == max(values):
        return n, values[0], 0.0
    return n, mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def require_fraction(name: str, value: float) -> None:
    """ValueError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), but got {value}")


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
        """What is written after ±; of a bootstrap interval, its upper part."""
        return None if self.high is None else self.high - self.mean


def interval_of(n: int, mean: float, deviation: float | None, level: float = 0.95) -> Interval:
    """The two-sided t-interval of n values from their mean and standard deviation."""
    from scipy.special import stdtrit  # scipy.stats.t.ppf's own function at a tenth of the import

    require_fraction("level", level)
    if n == 1 or deviation is None:
        return Interval(mean, None, None, n)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * deviation / math.sqrt(n)
    return Interval(mean, mean - reach, mean + reach, n)


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Mean and two-sided t-interval: mean ± t(n − 1) · s / √n, s with n − 1 in its denominator.

    Assumes independent, roughly normal values; seeds of a training are. `level` lies in (0, 1).
    One value has no interval; equal values have one of width 0; the ends are not cut to [0, 1].
    ValueError for no value and for a value that is not finite.
    """
    require_fraction("level", level)
    return interval_of(*moments(finite(values)), level)


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
