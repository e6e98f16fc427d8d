"""Learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.evidence import Evidence, LearningCurve
from lth_bench.output.figures.axes import limits, log_axis, percent_axis
from lth_bench.output.figures.legend import add_legend, in_order, line_style
from lth_bench.output.figures.panels import panels, percent
from lth_bench.output.figures.paper import PAGE, Drawn, Looks
from lth_bench.output.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_BANDS = 4
"""Curves of a panel up to which intervals are shaded; more of them cover each other."""


def learning(evidence: Evidence, looks: Looks) -> Drawn:
    """A column a density: validation accuracy above, validation loss below; dense in each."""
    curves = [curve for curve in evidence.learning if len(curve.step) > 1]
    if not curves:
        return
    densities = sorted({c.target_density for c in curves if not c.is_dense}, reverse=True) or [1.0]
    shown = in_order(looks, curves, marked=False)
    figure, (above, below) = panels(2, len(densities), 1.5, list(shown), sharex=True, sharey="row")
    for density, upper, lower in zip(densities, above, below, strict=True):
        here = [c for c in curves if c.is_dense or c.target_density == density]
        for curve in here:
            _draw(upper, lower, curve, looks[curve.name], banded=len(here) <= MOST_BANDS)
        upper.set_title(f"{percent(density)} kept")
        lower.set_xlabel("Step")
    percent_axis(above[0].yaxis)
    above[0].set_ylim(_limits(curves))
    above[0].set_ylabel("Val. accuracy (%)")
    losses = [y for curve in curves for y in curve.val_loss if y is not None and y > 0]
    if losses:
        log_axis(below[0].yaxis, min(losses) / 1.1, max(losses) * 1.1)
    below[0].set_ylabel("Val. loss")
    add_legend(figure, shown, PAGE)
    yield "", figure


def _draw(upper: Axes, lower: Axes, curve: LearningCurve, look: Look, banded: bool) -> None:
    style = line_style(look, marked=False) | {"linewidth": 0.9}
    low = [float("nan") if y is None else y for y in curve.low]
    high = [float("nan") if y is None else y for y in curve.high]
    loss = [float("nan") if y is None else y for y in curve.val_loss]
    if banded:
        upper.fill_between(curve.step, low, high, color=look.light, alpha=0.12, linewidth=0)
    upper.plot(curve.step, curve.val_accuracy, **style)
    lower.plot(curve.step, loss, **style)


def _limits(curves: list[LearningCurve]) -> tuple[float, float]:
    """The second half of every curve is within: their beginnings would flatten it."""
    halves = [curve.val_accuracy[len(curve.step) // 2 :] for curve in curves]
    means = [y for half in halves for y in half]
    return limits(means, [], [y for curve in curves for y in curve.high], (0, 1))
