"""Numbers as tables show them: short, with the digits that tell them apart."""

from __future__ import annotations

import math

MINUS = "−"


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals."""
    return f"{100 * fraction:.2f}"


def kept(fraction: float) -> str:
    """A density in percent, with two decimals, or more where these have no two digits: 0.0047."""
    return ratio(100 * fraction)


def ratio(number: float) -> str:
    """A multiple with two decimals, or more where these have no two digits: 4.26, 0.036."""
    return f"{number:.{_decimals(number)}f}"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.2f}".replace("-", MINUS)


def margin_points(margin: float) -> str:
    """A margin of fractions in percentage points, without superfluous digits: 0.5."""
    return f"{100 * margin:.6g}"


def half_width(mean: float | None, high: float | None) -> str:
    """What follows ± of a mean of fractions, in percent; empty where one value has no interval."""
    return "" if mean is None or high is None else percent(high - mean)


def count(number: float | None) -> str:
    """A number of steps, short: 800, 1,200, 62.6k, 1.25M."""
    if number is None:
        return "–"
    if number < 9_999.5:
        return f"{number:,.0f}"
    return f"{number / 1e3:.1f}k" if number < 999_950 else f"{number / 1e6:.2f}M"


def p_value(p: float | None) -> str:
    """A p-value with two digits; a dash where there is none."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def _decimals(number: float) -> int:
    return 2 if number == 0 else max(2, 1 - math.floor(math.log10(abs(number))))
