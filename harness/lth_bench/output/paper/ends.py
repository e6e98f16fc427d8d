"""Names of lines at their right ends, apart from each other, as on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lth_bench.output.paper.frame import drawable
from lth_bench.output.pictures.model import Panel, Trace, fits
from lth_bench.output.style import CONTEXT, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.075
"""Between two names, as a fraction of the axis's height; a name takes .06 of the lowest panel."""
LONGEST = 14
"""Characters of a name."""
END = "end"
"""Label of the names; no legend shows it."""


def name_ends(ax: Axes, panel: Panel, chosen: Sequence[int], looks: Mapping[str, Look]) -> None:
    """Write the name of each line beside where it ends; an arrow says that it has left the axis.

    The controls are left out where there is no room for all, and all names where there is none
    for the tickets either: the legend has them. Call it once the axes have their limits.
    """
    lines = [
        trace
        for trace in panel.traces
        if trace.look == "line" and fits(trace.when, chosen) and any(y is not None for y in trace.y)
    ]
    tickets = [trace for trace in lines if trace.control == "none"]
    room = int(1 / GAP) + 1
    named = next((some for some in (lines, tickets) if len(some) <= room), [])
    ends = sorted(((_end(ax, panel, trace), trace) for trace in named), key=lambda pair: pair[0])
    places = spread_out([min(1.0, max(0.0, end)) for end, _ in ends])
    for (end, trace), place in zip(ends, places, strict=True):
        look = looks.get(trace.name)
        ax.annotate(
            drawable(trace.name, LONGEST) + (" ↓" if end < 0 else " ↑" if end > 1 else ""),
            (1.0, place), xycoords="axes fraction", xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=5.5, color=CONTEXT if look is None else look.light, label=END,
            annotation_clip=False,
        )  # fmt: skip


def _end(ax: Axes, panel: Panel, trace: Trace) -> float:
    """Where the line ends, as a fraction of the axis's height from below."""
    last = next(y for y in reversed(trace.y) if y is not None)
    _, pixel = ax.transData.transform((ax.get_xlim()[0], panel.scales[0].shown(last)))
    _, share = ax.transAxes.inverted().transform((0.0, pixel))
    return float(share)


def spread_out(places: Sequence[float], gap: float = GAP) -> list[float]:
    """Places from low to high in [0, 1], moved as little as can be until they are `gap` apart.

    Those that would overlap are spread around their mean, as `apart` in `page/templates/charts.js`
    does. More than fit begin at 0 and end above 1.
    """
    blocks: list[tuple[float, int]] = []  # sum and number of places, less what lies before them
    for i, place in enumerate(places):
        total, count = place - i * gap, 1
        while blocks and blocks[-1][0] * count >= total * blocks[-1][1]:  # their means cross
            below, many = blocks.pop()
            total, count = total + below, count + many
        blocks.append((total, count))
    highest = max(0.0, 1.0 - (len(places) - 1) * gap)
    lows = [min(highest, max(0.0, total / count)) for total, count in blocks for _ in range(count)]
    return [low + i * gap for i, low in enumerate(lows)]
