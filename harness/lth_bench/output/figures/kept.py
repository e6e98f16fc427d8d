"""Kept fraction per layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.evidence import Evidence
from lth_bench.analysis.evidence.choice import spread
from lth_bench.output.figures.axes import log_axis
from lth_bench.output.figures.legend import add_legend, drawable, in_order, line_style
from lth_bench.output.figures.panels import panels, percent
from lth_bench.output.figures.paper import PAGE, Drawn, Looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 4
MOST_TICKS = 8
"""Layers named below a panel; of more, evenly spread ones."""


WHOLE = "whole network"


def kept(evidence: Evidence, looks: Looks) -> Drawn:
    """A panel a density: what each method leaves of each layer, from input to output."""
    found = evidence.kept
    densities = sorted({one.target_density for one in found}, reverse=True)
    if not densities:
        return
    shown = in_order(looks, found)
    chosen = spread(densities, MOST_PANELS)
    figure, (axes,) = panels(1, len(chosen), 2.1, [*shown, WHOLE], sharey=True)
    layers = list(dict.fromkeys(layer for one in found for layer in one.layers))
    for ax, density in zip(axes, chosen, strict=True):
        shown[WHOLE] = ax.axhline(density, color="#9a9a9a", linewidth=1.6)
        for one in found:
            if one.target_density == density:
                at = [layers.index(layer) for layer in one.layers]
                ax.plot(at, one.kept, **line_style(looks[one.name]))
        ax.set_title(f"{percent(density)} kept")
        _layer_axis(ax, layers)
    least = min((x for one in found for x in one.kept if x > 0), default=0.5)
    log_axis(axes[0].yaxis, least / 1.3, 1.3, percent=True)
    axes[0].set_ylabel("Weights of the layer kept (%)")
    add_legend(figure, shown, PAGE)
    yield "", figure


def _layer_axis(ax: Axes, layers: list[str]) -> None:
    named = spread(range(len(layers)), MOST_TICKS)
    names = [drawable(layers[i], 18) for i in named]
    ax.set_xticks(named, names, rotation=90 if max(map(len, names)) > 3 else 0)
    ax.set_xlim(-0.4, len(layers) - 0.6)
