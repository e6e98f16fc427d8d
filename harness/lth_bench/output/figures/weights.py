"""Distributions of the surviving weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import Evidence, WeightHistogram
from lth_bench.analysis.evidence.choice import spread
from lth_bench.output.figures.legend import add_legend, drawable
from lth_bench.output.figures.panels import panels, percent
from lth_bench.output.figures.paper import PAGE, Drawn, Looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LAYERS = 5

OUTSIDE = 0.002
"""Fraction of the weights that may lie beyond the ends of the axis: else outliers set its scale."""

START: dict[str, Any] = {"facecolor": "#c9c9c9", "edgecolor": "none"}


def weights(evidence: Evidence, looks: Looks) -> Drawn:
    """A figure a density, with a row a label and a column a layer; dense is in each of them."""
    dense = [one for one in evidence.weights if one.is_dense]
    tickets = [one for one in evidence.weights if not one.is_dense]
    densities = sorted({one.target_density for one in tickets}, reverse=True)
    for density, part in zip(densities, parts(densities), strict=True):
        here = [one for one in tickets if one.target_density == density]
        yield part, _draw([*dense, *here], looks, density)


def parts(densities: Sequence[float]) -> list[str]:
    """What names of files say of densities, in percent, with as many digits as tell them apart.

    With _ as the decimal point: LaTeX would take a point for the beginning of the suffix.
    """
    digits = 3
    while len({f"{100 * density:.{digits}g}" for density in densities}) < len(densities):
        digits += 1
    return [f"-{100 * density:.{digits}g}".replace(".", "_") for density in densities]


def _draw(found: list[WeightHistogram], looks: Looks, density: float) -> Figure:
    from matplotlib.patches import Patch

    names = list(dict.fromkeys(one.name for one in found))
    layers = spread(list(dict.fromkeys(one.layer for one in found)), MOST_LAYERS)
    shown: dict[str, Any] = {
        "as training begins": Patch(**START),
        "after training": Patch(facecolor="none", edgecolor="black", linewidth=0.9),
    }
    figure, axes = panels(len(names), len(layers), 0.72, list(shown), sharex="col")
    for name, row in zip(names, axes, strict=True):
        for layer, ax in zip(layers, row, strict=True):
            ax.set_yticks([])
            ax.spines["left"].set_visible(False)
            for one in found:
                if one.name == name and one.layer == layer:
                    _histogram(ax, one, looks[name].light)
        row[0].set_ylabel(drawable(name, 16), rotation=0, ha="right", va="center")
    for i, layer in enumerate(layers):
        axes[0][i].set_title(drawable(layer, 24))
        reach = max((axis_reach(one) for one in found if one.layer == layer), default=1.0)
        axes[0][i].set_xlim(-reach, reach)
    figure.supxlabel(f"Surviving weights at {percent(density)} kept", fontsize=8)
    add_legend(figure, shown, PAGE)
    return figure


def _histogram(ax: Axes, one: WeightHistogram, colour: str) -> None:
    bins = len(one.start)
    edges = [one.reach * (2 * i / bins - 1) for i in range(bins + 1)]
    start, end = ([x / max(1, sum(counts)) for x in counts] for counts in (one.start, one.end))
    ax.stairs(start, edges, fill=True, **START)
    ax.stairs(end, edges, color=colour, linewidth=0.9)
    ax.set_ylim(0, 1.05 * max(*start, *end, 1e-9))


def axis_reach(one: WeightHistogram) -> float:
    """How far out the axis must go for both histograms."""
    bins = len(one.start)
    for inner in range(1, bins // 2 + 1):
        within = slice(bins // 2 - inner, bins // 2 + inner)
        if all(sum(c[within]) >= (1 - OUTSIDE) * sum(c) for c in (one.start, one.end)):
            return one.reach * 2 * inner / bins
    return one.reach
