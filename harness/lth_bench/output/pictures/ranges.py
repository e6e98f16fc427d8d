"""From where to where axes reach, and the scales that accuracies can be seen on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lth_bench.output.pictures.model import Axis, Format, Numbers, Trace

LEAST_REACH = 0.02
"""A scale near dense goes at least this far below it."""

ALL, NEAR, ERROR = "all", "near dense", "error, logarithmic"

CUT = " Near dense leaves out what lies far below it."


def limits(
    means: Iterable[float | None],
    lows: Iterable[float | None] = (),
    highs: Iterable[float | None] = (),
    within: tuple[float, float] = (-math.inf, math.inf),
    *,
    whole: bool = False,
) -> tuple[float, float]:
    """From where to where an axis reaches, so that what is compared is not flattened.

    All means; unless `whole`, without those farther from the inner 80% of them than these are
    apart: where a method collapses, its line runs out of the axes. Intervals up to half as far
    again: at two or three seeds they can be many times as wide as the means are apart. `within`
    is what can be.
    """
    found = sorted(mean for mean in means if mean is not None)
    tenth = 0 if whole else len(found) // 10
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


def of_traces(
    traces: Sequence[Trace],
    within: tuple[float, float] = (-math.inf, math.inf),
    *,
    whole: bool = False,
) -> tuple[float, float]:
    """The limits of these traces and their intervals."""
    lows, highs = _ends(traces)
    return limits([y for t in traces for y in t.y], lows, highs, within, whole=whole)


def log_range(values: Iterable[float | None], space: float = 1.15) -> tuple[float, float]:
    """The range of a logarithmic axis: positive values, and a factor of `space` around them."""
    found = [value for value in values if value is not None and value > 0] or [1.0]
    return min(found) / space, max(found) * space


def scales(
    traces: Sequence[Trace], dense: float | None, title: str, error: str, settled: Numbers = ()
) -> list[Axis]:
    """The axes that a reader may choose from for an accuracy, the clearest first.

    Near dense goes down four times as far below dense as the worst quarter of the points begins
    (of `settled` instead, such as the ends of learning curves, where these are given). It is
    offered only where that leaves something out, and always beside the whole scale. The error on
    a logarithmic scale shows differences near 100% as well as far from it.
    """
    values = sorted(y for trace in traces for y in trace.y if y is not None)
    if not values:
        return [_accuracy(title, ALL, (0.0, 1.0))]
    bottom, top = of_traces(traces, (0, 1), whole=True)
    found = [_accuracy(title, ALL, (bottom, top))]
    compared = sorted(y for y in settled if y is not None) or values
    if dense is not None:
        low = dense - max(LEAST_REACH, 4 * (dense - compared[len(compared) // 4]))
        if values[0] < low:
            top = limits(
                [y for y in values if y >= low] or [dense], highs=_ends(traces)[1], within=(0, 1)
            )[1]
            found.insert(0, _accuracy(title, NEAR, (low, top)))
    if any(y < 1 for y in values):
        errors = log_range((1 - y for y in values), 1.1)
        found.append(
            Axis(
                title=error,
                format="percent",
                scale="log",
                range=errors,
                reverse=True,
                complement=True,
                choice=ERROR,
            )
        )
    return found


def density_axis(densities: Iterable[float], title: str = "Weights remaining") -> Axis:
    """Densities on a logarithmic scale from dense, on the left, to sparse."""
    found = sorted(set(densities), reverse=True) or [1.0]
    form: Format = "percent"
    return Axis(
        title=title, format=form, scale="log", range=log_range(found), ticks=found, reverse=True
    )


def dodges(densities: Iterable[float], lines: int) -> list[float]:
    """Factors that move lines apart sideways, so that their intervals do not hide each other.

    Over a third of the smallest distance between two of the densities. The first line is drawn
    leftmost on an axis that runs from dense to sparse.
    """
    found = sorted(set(densities))
    width = min([b / a for a, b in pairwise(found)] + [1.5]) ** 0.35
    return [float(width ** (0.5 - (i + 0.5) / lines)) for i in range(lines)]


def _accuracy(title: str, choice: str, ends: tuple[float, float]) -> Axis:
    return Axis(title=title, format="percent", range=ends, choice=choice)


def _ends(traces: Sequence[Trace]) -> tuple[list[float], list[float]]:
    """Lower and upper ends of the intervals."""
    both = [
        (y, reach)
        for trace in traces
        for y, reach in zip(trace.y, trace.reach, strict=False)
        if y is not None and reach is not None
    ]
    return [y - reach for y, reach in both], [y + reach for y, reach in both]
