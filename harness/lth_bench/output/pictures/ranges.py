"""From where to where axes reach, and the scales that a metric can be seen on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lth_bench.analysis.measures import Measure
from lth_bench.output.pictures.model import Axis, Format, Numbers, Trace

LEAST_REACH = 0.02
"""A scale near dense goes at least this far to its worse side: of fractions."""
LEAST_RELATIVE = 0.1
"""The same of all other metrics, relative to dense."""

ALL, NEAR, ERROR, LOG = "all", "near dense", "error, logarithmic", "logarithmic"

CUT = " The scale near dense leaves out what is far worse."


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
    traces: Sequence[Trace],
    dense: float | None,
    measure: Measure,
    title: str,
    settled: Numbers = (),
) -> list[Axis]:
    """The axes that a reader may choose from for a metric, the clearest first.

    Near dense goes four times as far to the worse side of dense as the worst quarter of the points
    begins (of `settled` instead, such as the ends of learning curves, where these are given). It is
    offered only where that leaves something out, and always beside the whole scale. On a
    logarithmic scale, of an accuracy that of its error, small differences near the best value can
    be seen as well as those far from it; of other metrics it is offered where the largest value is
    ten times the smallest or more.
    """
    if measure.unit in ("s", "FLOPs", "examples"):
        title = f"{title} ({measure.unit})"
    elif not measure.unit and not measure.higher:
        title += " (lower is better)"  # of steps and seconds it goes without saying
    form = format_of(measure)
    values = sorted(y for trace in traces for y in trace.y if y is not None)
    if not values:
        return [Axis(title=title, format=form, range=(0.0, 1.0), choice=ALL)]
    within = _within(measure, values[0])
    found = [
        Axis(title=title, format=form, range=of_traces(traces, within, whole=True), choice=ALL)
    ]
    compared = [y for y in settled if y is not None] or values
    if dense is not None:
        near = _near(traces, values, compared, dense=dense, measure=measure, within=within)
        if near is not None:
            found.insert(0, Axis(title=title, format=form, range=near, choice=NEAR))
    if measure.is_accuracy and any(y < 1 for y in values):
        errors = log_range((1 - y for y in values), 1.1)
        error = title.replace("accuracy", "error")
        found.append(
            Axis(
                title=error,
                format=form,
                scale="log",
                range=errors,
                reverse=True,
                complement=True,
                choice=ERROR,
            )
        )
    elif not measure.is_accuracy and 0 < 10 * values[0] <= values[-1]:
        found.append(
            Axis(title=title, format=form, scale="log", range=log_range(values, 1.1), choice=LOG)
        )
    return found


def _near(
    traces: Sequence[Trace],
    values: Sequence[float],
    compared: Sequence[float],
    *,
    dense: float,
    measure: Measure,
    within: tuple[float, float],
) -> tuple[float, float] | None:
    """The range near dense; None where it would leave nothing out."""
    sign = measure.sign
    worst_quarter = sorted(sign * y for y in compared)[len(compared) // 4]
    least = LEAST_REACH if measure.is_fraction else LEAST_RELATIVE * abs(dense)
    end = sign * dense - max(least, 4 * (sign * dense - worst_quarter))
    if min(sign * y for y in values) >= end:
        return None
    kept = [y for y in values if sign * y >= end] or [dense]
    lows, highs = _ends(traces)
    if measure.higher:
        return end, limits(kept, highs=highs, within=within)[1]
    return limits(kept, lows=lows, within=within)[0], -end


def format_of(measure: Measure) -> Format:
    """How the metric's values read."""
    if measure.is_fraction:
        return "percent"
    return "steps" if measure.unit in ("steps", "examples") else "value"


def _within(measure: Measure, least: float) -> tuple[float, float]:
    """What values can be: nothing is known of a metric but that none of its values is negative."""
    return (0.0 if least >= 0 else -math.inf, 1.0 if measure.is_fraction else math.inf)


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


def _ends(traces: Sequence[Trace]) -> tuple[list[float], list[float]]:
    """Lower and upper ends of the intervals, of the wider ones where there are two."""
    low, high = (
        [
            y + sign * reach
            for trace in traces
            for y, reach in zip(trace.y, reaches(trace, way), strict=False)
            if y is not None and reach is not None
        ]
        for sign, way in ((-1, "down"), (1, "reach"))
    )
    return low, high


def reaches(trace: Trace, way: str) -> Numbers:
    """How far a trace's intervals go `down` or up (`reach`), the wider of two."""
    inner = getattr(trace, way) or trace.reach
    if not trace.wide:
        return inner
    return [own if wide is None else wide for own, wide in zip(inner, trace.wide, strict=True)]
