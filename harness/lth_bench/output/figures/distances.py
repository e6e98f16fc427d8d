"""How far the masks of a search are from each other, as Early-Bird's paper shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.evidence import DistanceMatrix, Evidence
from lth_bench.analysis.evidence.choice import spread
from lth_bench.output.figures.legend import drawable
from lth_bench.output.figures.panels import panels, percent
from lth_bench.output.figures.paper import Drawn, Looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 4
"""Panels beside each other, however few there are: so squares of one size in every paper."""


def distances(evidence: Evidence, _: Looks) -> Drawn:
    """A row a label, a square a density: bright where two moments' masks are alike."""
    found = evidence.distances
    if not found:
        return
    names = list(dict.fromkeys(one.name for one in found))
    most = max(y for one in found for row in one.values for y in row) or 1.0
    figure, axes = panels(len(names), ACROSS, 1.75)
    image = None
    for name, row in zip(names, axes, strict=True):
        own = [one for one in found if one.name == name][:ACROSS]
        for ax, one in zip(row, own, strict=False):
            image = ax.imshow(one.values, cmap="cividis_r", vmin=0, vmax=most, origin="lower")
            _step_axes(ax, one)
            ax.set_title(f"{percent(one.target_density)} kept")
        for ax in row[len(own) :]:
            ax.set_visible(False)
        row[0].set_ylabel(f"{drawable(name, 24)}: step")
    assert image is not None
    bar = figure.colorbar(
        image, ax=[ax for row in axes for ax in row], shrink=0.8, aspect=18, pad=0.015
    )
    bar.set_label("Distance (fraction of bits)")
    bar.outline.set_linewidth(0.4)
    yield "", figure


def _step_axes(ax: Axes, one: DistanceMatrix) -> None:
    at = spread(range(len(one.steps)), 4)
    names = [f"{one.steps[i]:g}" for i in at]
    ax.set_xticks(at, names)
    ax.set_yticks(at, names)
    ax.set_xlabel("Step")
    ax.grid(visible=False)
