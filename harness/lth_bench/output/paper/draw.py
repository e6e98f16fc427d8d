"""A picture drawn with matplotlib: every choice that the page offers becomes a small multiple."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.subject import spread
from lth_bench.output.paper.ends import name_ends
from lth_bench.output.paper.frame import add_legend, drawable, new_figure, set_axis
from lth_bench.output.paper.marks import (
    CELL,
    beyond,
    draw_heat,
    draw_panel,
    handle_of,
    names_height,
)
from lth_bench.output.pictures.model import LOST, Facet, Panel, Picture, Polygon, Trace, fits
from lth_bench.output.style import Look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.3
"""Inches across a column of a two-column paper."""

PAGE = 6.8
"""Inches across its page."""

ACROSS = {"square": 4, "tile": 6}
"""Matrices beside each other, however few there are: so they have one size in every paper."""

SIDES = 1.5
"""Inches that the names of rows and the scale of colours take."""

HEIGHTS = {"large": 2.0, "medium": 1.5, "small": 0.72, "square": 1.95, "tile": 0.9, "wide": 1.45}
"""Inches of a panel; a medium one that has no other below it is as high as a large one."""

Chosen = tuple[int, ...]
"""The number of the value of each facet."""


@dataclass(frozen=True)
class SmallMultiple:
    """A panel at its place among the small multiples."""

    panel: Panel
    chosen: Chosen
    title: str = ""
    row: str = ""
    """What its row stands for, where that is a value of a facet."""


def draw(picture: Picture, looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure]]:
    """The picture's files, as the end of their name and the figure; looks by a subject's name."""
    for name, cells in small_multiples(picture):
        yield name, _figure(cells, looks, picture.foot)


def small_multiples(picture: Picture) -> Iterator[tuple[str, list[list[SmallMultiple]]]]:
    """The same before it is drawn: [row][column] of each file."""
    for name, panels, fixed in _files(picture):
        yield name, _cells(picture, panels, fixed)


def _files(picture: Picture) -> Iterator[tuple[str, Sequence[Panel], dict[int, int]]]:
    """Name, panels and the facets' values that are fixed, of each file."""
    own = [i for i, facet in enumerate(picture.facets) if facet.spread == "files"]
    for values in product(*(_shown(picture.facets[i]) for i in own)):
        fixed = dict(zip(own, values, strict=True))
        suffix = "".join(picture.facets[i].suffixes[value] for i, value in fixed.items())
        if picture.panels_are != "files":
            yield picture.key + suffix, picture.panels, fixed
            continue
        for panel in picture.panels:
            pinned = {i: value for i, value in enumerate(panel.when) if value != -1}
            yield panel.key + suffix, [panel], fixed | pinned


def _cells(
    picture: Picture, panels: Sequence[Panel], fixed: dict[int, int]
) -> list[list[SmallMultiple]]:
    """[row][column]; the last row may be shorter."""
    facets = picture.facets
    places = {
        kind: [i for i, facet in enumerate(facets) if facet.spread == kind and i not in fixed]
        for kind in ("rows", "columns", "wrap")
    }

    def values(kind: str) -> list[dict[int, int]]:
        own = places[kind]
        return [
            dict(zip(own, found, strict=True))
            for found in product(*(_shown(facets[i]) for i in own))
        ]

    def cell(panel: Panel, at: dict[int, int]) -> SmallMultiple:
        everything = fixed | at
        chosen = tuple(everything.get(i, 0) for i in range(len(facets)))
        titles = [
            facet.values[chosen[i]]
            if facet.spread == "wrap"
            else f"{facet.title}: {facet.values[chosen[i]]}"
            for i, facet in enumerate(facets)
            if i in places["columns"] + places["wrap"]
        ]
        if picture.panels_are == "columns":
            titles.append(panel.title)
        row = [facets[i].values[chosen[i]] for i in places["rows"]]
        return SmallMultiple(panel, chosen, ", ".join(titles), ", ".join(row))

    if places["wrap"]:
        every = [cell(panel, at) for panel in panels for at in values("wrap")]
        every = [one for one in every if _has_marks(one)]
        across = _across(every)
        return [every[i : i + across] for i in range(0, len(every), across)]
    if picture.panels_are == "columns":
        return [
            [cell(panel, row | column) for column in values("columns") for panel in panels]
            for row in values("rows")
        ]
    return [
        [cell(panel, row | column) for column in values("columns")]
        for row in values("rows")
        for panel in panels
    ]


def _shown(facet: Facet) -> list[int]:
    """Numbers of the values that there is space for."""
    return spread(range(len(facet.values)), facet.most)


def _has_marks(cell: SmallMultiple) -> bool:
    """Whether it has anything to show: not every method has every density."""
    heats = cell.panel.heats
    return not heats or any(fits(heat.when, cell.chosen) for heat in heats)


def _across(cells: Sequence[SmallMultiple]) -> int:
    """Matrices beside each other; of those that are written in, as many as have the room."""
    heats = cells[0].panel.heats
    if not heats or not heats[0].texts:
        return ACROSS["square"]
    fit = int((PAGE - SIDES) / (CELL[0] * len(heats[0].x) + 0.1))
    return max(1, min(ACROSS["square"], fit, len(cells)))


def _columns(cells: list[list[SmallMultiple]]) -> int:
    """Panels beside each other, empty places for matrices included."""
    panel = cells[0][0].panel
    if panel.heats and panel.heats[0].texts:
        return _across([cell for line in cells for cell in line])
    return max(len(cells[0]), ACROSS.get(panel.size, 1))


def _size(cells: list[list[SmallMultiple]]) -> tuple[float, float]:
    """Inches across the figure, and down its panels."""
    panel = cells[0][0].panel
    if not panel.heats or not panel.heats[0].texts:
        is_narrow = _columns(cells) == 1 and panel.size != "wide"
        size = "large" if panel.size == "medium" and len(cells) == 1 else panel.size
        return COLUMN if is_narrow else PAGE, HEIGHTS[size] * len(cells)
    heat = panel.heats[0]
    wanted = SIDES + CELL[0] * len(heat.x) * len(cells[0])
    down = CELL[1] * len(heat.y) + names_height(panel.x.names) + 0.5
    return COLUMN if wanted <= COLUMN else PAGE, down * len(cells)


def _figure(cells: list[list[SmallMultiple]], looks: Mapping[str, Look], foot: str = "") -> Figure:
    legend = _legend(cells, looks)
    size = cells[0][0].panel.size
    heats = cells[0][0].panel.heats
    columns = _columns(cells)
    width, height = _size(cells)
    figure = new_figure(width, height, list(legend), foot)
    axes = figure.subplots(len(cells), columns, squeeze=False)
    image = None
    for row, line in enumerate(cells):
        for column, ax in enumerate(axes[row]):
            if column >= len(line):
                ax.set_visible(False)
                continue
            cell = line[column]
            if cell.panel.heats:
                if not _has_marks(cell):
                    ax.set_visible(False)
                    continue
                image = draw_heat(ax, cell.panel, cell.chosen)
                ax.tick_params(labelleft=column == 0 or not heats[0].texts)
                if size != "tile" or row == 0:
                    ax.set_title(drawable(cell.title, 26))
                if size == "tile":
                    own = column == 0 or cell.panel.heats[0].y != line[0].panel.heats[0].y
                    ax.tick_params(labelbottom=row == len(cells) - 1, labelleft=own, labelsize=5)
            else:
                draw_panel(ax, cell.panel, cell.chosen, looks)
                _dress(ax, cell, row == 0, row == len(cells) - 1, column == 0)
                if cell.panel.ends_named:
                    name_ends(ax, cell.panel, cell.chosen, looks)
            _name_axes(
                ax, cell, column == 0, row == len(cells) - 1 or (bool(heats) and size != "tile")
            )
    z = cells[0][0].panel.z
    if image is not None and z is not None:
        bar = figure.colorbar(
            image, ax=[ax for row in axes for ax in row], shrink=0.8, pad=0.015,
            aspect=18 * max(1, height / HEIGHTS["square"]),
            extend=beyond([cell.panel for line in cells for cell in line]),
        )  # fmt: skip
        bar.set_label(z.label)
        bar.outline.set_linewidth(0.4)
    labels = {cell.panel.x.label for line in cells for cell in line}
    if columns > 1 and (image is None or size == "tile") and len(labels) == 1:
        for ax in axes[-1]:
            ax.set_xlabel("")
        figure.supxlabel(cells[0][0].panel.x.label, fontsize=8)
    if cells[0][0].row:
        figure.supylabel(cells[0][0].panel.scales[0].label, fontsize=8)
    add_legend(figure, legend, width)
    return figure


def _dress(ax: Axes, cell: SmallMultiple, first: bool, last: bool, left: bool) -> None:
    """Axes, and the titles that stand at the edges of the small multiples."""
    panel = cell.panel
    shown = [
        panel.scales[0].shown(y + (reach or 0))
        for trace in panel.traces
        if fits(trace.when, cell.chosen)
        for y, reach in zip(trace.y, trace.reach or [0.0] * len(trace.y), strict=True)
        if y is not None
    ]
    set_axis(ax, "x", panel.x)
    set_axis(ax, "y", panel.scales[0], max(shown, default=1.0))
    if panel.isometric:
        ax.set_aspect("equal")
    ax.tick_params(labelbottom=last or panel.size == "large", labelleft=left)
    if panel.size == "small":  # each has a scale of its own: shapes are compared
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    if first and cell.title:
        ax.set_title(drawable(cell.title, 26))


def _name_axes(ax: Axes, cell: SmallMultiple, left: bool, last: bool) -> None:
    if last:
        ax.set_xlabel(cell.panel.x.label)
    if left and cell.row:
        ax.set_ylabel(drawable(cell.row, 16), rotation=0, ha="right", va="center")
    elif left:
        ax.set_ylabel(cell.panel.scales[0].label)


def _legend(cells: list[list[SmallMultiple]], looks: Mapping[str, Look]) -> dict[str, Any]:
    """What stands for each name, in the order in which the picture draws them."""
    from matplotlib.lines import Line2D

    found: dict[str, Any] = {}
    lost = False
    for cell in (cell for line in cells for cell in line):
        marks: list[Trace | Polygon] = [*cell.panel.traces, *cell.panel.polygons]
        for mark in marks:
            if fits(mark.when, cell.chosen):
                if mark.name not in found:
                    found[mark.name] = handle_of(mark, looks.get(mark.name))
                lost = lost or (isinstance(mark, Trace) and any(mark.lost))
    if lost:
        found[LOST] = Line2D([], [], linestyle="none")
    return found
