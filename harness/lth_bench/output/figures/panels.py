"""Figures of several panels across the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.output.figures.legend import new_figure
from lth_bench.output.figures.paper import PAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(
    rows: int, columns: int, height: float, names: Sequence[str] = (), **options: Any
) -> tuple[Figure, list[list[Axes]]]:
    """A figure across the page and its axes [row][column], each row `height` inches high.

    `names` stand in the legend; `options` are those of `Figure.subplots`.
    """
    figure = new_figure(PAGE, rows * height, names)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(row) for row in axes]


def percent(fraction: float) -> str:
    """A density for a panel's title, as `13%`, `1.68%`."""
    return f"{100 * fraction:.3g}%"
