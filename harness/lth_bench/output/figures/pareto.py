"""Accuracy against what it took to get there."""

from __future__ import annotations

from lth_bench.analysis.evidence import Evidence
from lth_bench.output.figures.axes import limits, log_axis, percent_axis
from lth_bench.output.figures.legend import add_legend, handle, line_style, new_figure
from lth_bench.output.figures.paper import COLUMN, Drawn, Looks

FRONT = "Pareto front"


def cost(evidence: Evidence, looks: Looks) -> Drawn:
    """Every ticket by its cost, search included, and the front of those that none beats in both."""
    points = [point for point in evidence.pareto if point.x > 0]
    if not points:
        return
    front = sorted((point.x, point.mean) for point in points if point.on_front)
    shown = {point.name: handle(looks[point.name]) for point in points}
    figure = new_figure(COLUMN, 2.0, [*shown, FRONT])
    ax = figure.add_subplot()
    low, high = min(p.x for p in points) / 1.15, max(p.x for p in points) * 1.15
    if front:
        # to the right edge: at any higher cost, the last of the front is still the best there is
        x, y = zip(*front, (high, front[-1][1]), strict=True)
        (steps,) = ax.step(x, y, where="post", color="#bdbdbd", linewidth=2.4, zorder=1)
        shown[FRONT] = steps
    for name in dict.fromkeys(point.name for point in points):
        own = [point for point in points if point.name == name]
        for p in own:
            if p.low is not None and p.high is not None:
                ax.plot([p.x] * 2, [p.low, p.high], color=looks[name].light, lw=0.6, alpha=0.4)
        ax.plot([p.x for p in own], [p.mean for p in own], **line_style(looks[name]))
    log_axis(ax.xaxis, low, high)
    percent_axis(ax.yaxis)
    means, lows, highs = zip(*((p.mean, p.low, p.high) for p in points), strict=True)
    ax.set_ylim(limits(means, lows, highs, (0, 1)))
    ax.set_xlabel("FLOPs of search and training (× dense)")
    ax.set_ylabel("Test accuracy (%)")
    add_legend(figure, shown, COLUMN)
    yield "", figure
