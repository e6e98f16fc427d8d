"""A metric against density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence import Evidence, Metric, Series
from lth_bench.output.figures.axes import density_axis, limits, percent_axis
from lth_bench.output.figures.legend import add_legend, handle, line_style, new_figure
from lth_bench.output.figures.paper import COLUMN, Drawn, Looks
from lth_bench.output.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOST = "† some seeds failed"
"""What † at a point means: its mean is over the others."""

RANGES: Mapping[Metric, tuple[float, float]] = {
    "test_accuracy": (0, 1),
    "early_stop_accuracy": (0, 1),
    "early_stop_step": (0, float("inf")),
    "generalisation_gap": (-1, 1),
}


def accuracy(evidence: Evidence, looks: Looks) -> Drawn:
    """Test accuracy after the last step, and at the minimum of the validation loss."""
    yield from _draw(evidence, looks, "test_accuracy", "Test accuracy (%)")
    label = "Test accuracy at early stop (%)"
    yield from _draw(evidence, looks, "early_stop_accuracy", label, "-early-stop")


def early_stop(evidence: Evidence, looks: Looks) -> Drawn:
    """How soon training reaches its minimum validation loss."""
    yield from _draw(evidence, looks, "early_stop_step", "Early-stop step")


def gap(evidence: Evidence, looks: Looks) -> Drawn:
    """Train minus test accuracy."""
    yield from _draw(evidence, looks, "generalisation_gap", "Train − test accuracy (points)")


def _draw(evidence: Evidence, looks: Looks, metric: Metric, label: str, part: str = "") -> Drawn:
    from matplotlib.lines import Line2D

    lines = evidence.density[metric]
    if not lines:
        return
    shown = {line.name: handle(looks[line.name], marked=not line.is_dense) for line in lines}
    if any(lost for line in lines if not line.is_dense for lost in line.lost):
        shown[LOST] = Line2D([], [], linestyle="none")
    figure = new_figure(COLUMN, 2.0, list(shown))
    ax = figure.add_subplot()
    tickets = [line for line in lines if not line.is_dense]
    densities = sorted({x for line in tickets for x in line.x})
    for line in lines:
        if line.is_dense:
            draw_dense(ax, line, looks[line.name])
    shifts = dodges(densities, len(tickets))
    for line, shift in zip(tickets, shifts, strict=True):
        _draw_line(ax, line, looks[line.name], shift)
    density_axis(ax, densities)
    if metric != "early_stop_step":
        percent_axis(ax.yaxis)
    ax.set_ylim(
        limits(
            [y for line in lines for y in line.mean],
            [y for line in lines for y in line.low],
            [y for line in lines for y in line.high],
            RANGES[metric],
        )
    )
    ax.set_ylabel(label)
    add_legend(figure, shown, COLUMN)
    yield part, figure


def draw_dense(ax: Axes, line: Series, look: Look) -> None:
    """The dense run and its interval, across all densities."""
    low, high = line.low[0], line.high[0]
    if low is not None and high is not None:
        ax.axhspan(low, high, color=look.light, alpha=0.05, linewidth=0)
    ax.axhline(line.mean[0], **line_style(look, marked=False), linewidth=0.8)


def _draw_line(ax: Axes, line: Series, look: Look, shift: float) -> None:
    x = [value * shift for value in line.x]
    for at, low, high in zip(x, line.low, line.high, strict=True):
        if low is not None and high is not None:
            ax.plot([at, at], [low, high], color=look.light, linewidth=0.6, alpha=0.55)
    ax.plot(x, line.mean, **line_style(look))
    for at, mean, lost in zip(x, line.mean, line.lost, strict=True):
        if lost:
            ax.annotate(
                "†", (at, mean), xytext=(2.5, 2), textcoords="offset points",
                fontsize=7, color=look.light,
            )  # fmt: skip


def dodges(densities: Sequence[float], lines: int) -> list[float]:
    """Factors that move lines apart sideways, so that their intervals do not hide each other.

    Over a third of the smallest distance between two of the densities, which ascend.
    """
    width = min([b / a for a, b in pairwise(densities)] + [1.5]) ** 0.35
    return [float(width ** (0.5 - (i + 0.5) / lines)) for i in range(lines)]
