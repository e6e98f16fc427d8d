"""How a difference is told: fractions in percentage points, logarithms as factors."""

from __future__ import annotations

import math

from lth_bench.stats.interval import Interval

Unit = str
""" "points": of fractions, told times 100. "ratio": of logarithms, told as factors. Any other, such
as "steps" or "": told as they are, and named where there is space."""

MINUS = "−"


def told(size: float, unit: Unit) -> str:
    """A size with its unit: "0.5 points", "10%", "50 steps"."""
    if unit == "points":
        return f"{100 * size:.6g} points"
    if unit == "ratio":
        return f"{100 * math.expm1(size):.6g}%"
    return f"{size:.6g} {unit}".rstrip()


def span(interval: Interval, unit: Unit) -> str:
    """An interval of a difference, without its unit: "−3.2 to +22.7", "0.81× to 1.30×"."""
    assert interval.low is not None and interval.high is not None
    ends = (interval.low, interval.high)
    if unit == "ratio":
        return " to ".join(f"{math.exp(end):.2f}×" for end in ends)
    if unit == "points":
        low, high = (100 * end for end in ends)
        decimals = 1 if high - low >= 2 else 2
        return " to ".join(_signed(f"{end:+.{decimals}f}") for end in (low, high))
    return " to ".join(_signed(f"{end:+.3g}") for end in ends)


def _signed(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
