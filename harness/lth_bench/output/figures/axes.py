"""Axes of densities, fractions and multiples, and how far they reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def percent_axis(axis: Axis) -> None:
    """Ticks of a fraction, as percent without the sign, which the label has."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}"))


def density_axis(ax: Axes, densities: Iterable[float]) -> None:
    """Densities on a logarithmic scale from dense, on the left, to sparse."""
    found = sorted(densities, reverse=True) or [1.0]
    low, high = found[-1] / 1.15, found[0] * 1.15
    log_axis(ax.xaxis, low, high, percent=True, ticks=apart(found))
    ax.set_xlim(high, low)
    ax.set_xlabel("Weights kept (%)")


def apart(densities: Sequence[float], most: int = 7) -> list[float]:
    """The densities that ticks fit beside each other for, from the first; all if they do."""
    least = (densities[0] / densities[-1]) ** (0.9 / most)
    kept = list(densities[:1])
    for density in densities[1:]:
        if kept[-1] / density >= least:
            kept.append(density)
    return kept


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2, 5 in each power of ten; powers alone over many of them.

    Where the range is within a factor of three, which has too few of those, more of them.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps: tuple[float, ...] = (1, 2, 5) if last - first <= 4 else (1,)
    if high / low < 3:
        steps = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    every = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [x for x in every if low <= x <= high]


def log_axis(
    axis: Axis, low: float, high: float, percent: bool = False, ticks: Sequence[float] | None = None
) -> None:
    """A logarithmic axis with plain numbers, or percent; round ones unless ticks are given."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    is_x = axis is axis.axes.xaxis
    scale = axis.axes.set_xscale if is_x else axis.axes.set_yscale
    limit = axis.axes.set_xlim if is_x else axis.axes.set_ylim
    scale("log", nonpositive="clip")  # a fraction of 0 lies below, where its line runs out
    limit(low, high)
    axis.set_major_locator(FixedLocator(log_ticks(low, high) if ticks is None else ticks))
    axis.set_minor_locator(NullLocator())
    text = (lambda x, _: f"{100 * x:.3g}") if percent else (lambda x, _: f"{x:.4g}")
    axis.set_major_formatter(FuncFormatter(text))


def limits(
    means: Iterable[float],
    lows: Iterable[float | None],
    highs: Iterable[float | None],
    within: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[float, float]:
    """From where to where an axis reaches, so that what is compared is not flattened.

    All means, but those farther from the inner 80% of them than these are apart: where a method
    collapses, its line runs out of the axes. Intervals up to half as far again: at two or three
    seeds they can be many times as wide as the means are apart. `within` is what can be.
    """
    found = sorted(means)
    tenth = len(found) // 10
    inner_low, inner_high = found[tenth], found[-1 - tenth]
    spread = max(inner_high - inner_low, 0.002 * abs(inner_high), 1e-9)
    bottom = max(found[0], inner_low - spread)
    top = min(found[-1], inner_high + spread)
    spare = max(top - bottom, spread)
    lowest = min([bottom, *(low for low in lows if low is not None)])
    highest = max([top, *(high for high in highs if high is not None)])
    return (
        max(lowest, bottom - 0.5 * spare, within[0]) - 0.04 * spare,
        min(highest, top + 0.5 * spare, within[1]) + 0.04 * spare,
    )
