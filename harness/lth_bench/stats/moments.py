"""What every function here asks of its numbers first: that they are numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable


def finite(values: Iterable[float], what: str = "an interval") -> list[float]:
    """The values as a list. ValueError for no value, and for NaN or an infinity among them."""
    x = [float(value) for value in values]
    if not x:
        raise ValueError(f"{what} needs at least one value, but got none")
    if not all(map(math.isfinite, x)):
        raise ValueError(f"{what} needs finite values, but got {x}")
    return x


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
