"""The marks of a picture in matplotlib's words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.analysis.boards.notes import LOST_MARK
from lth_bench.analysis.evidence.subject import spread
from lth_bench.output.paper.frame import drawable
from lth_bench.output.pictures.model import (
    MOST_BANDS,
    Axis,
    HeatMap,
    Panel,
    Polygon,
    Remark,
    Trace,
    fits,
)
from lth_bench.output.style import CONTEXT, HEAT, Look, ink_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

REMARK = "remark"
"""Label of the words and arrows in a panel; no legend shows it."""

INK = "#222222"
"""Of words in a panel."""

MARKED = ("line", "points")
FILLED = ("stairs", "bars", "band")


def draw_panel(ax: Axes, panel: Panel, chosen: Sequence[int], looks: Mapping[str, Look]) -> None:
    """Everything of a panel that is shown once these values of the facets are chosen."""
    x, y = panel.x, panel.scales[0]
    for raster in panel.rasters:
        if fits(raster.when, chosen):
            (left, right), (low, high) = raster.x, raster.y
            ax.imshow(
                raster.pixels,
                extent=(x.shown(left), x.shown(right), y.shown(low), y.shown(high)),
                aspect="auto", interpolation="nearest", zorder=ORDER["raster"],
            )  # fmt: skip
    for polygon in panel.polygons:
        if fits(polygon.when, chosen):
            colour = colour_of(polygon, looks.get(polygon.name), panel.z)
            ax.fill(
                [x.shown(v) for v in polygon.x], [y.shown(v) for v in polygon.y],
                facecolor=colour, edgecolor="white", linewidth=0.4, zorder=ORDER["polygon"],
            )  # fmt: skip
    for note in panel.notes:
        if fits(note.when, chosen):
            _draw_note(ax, note, x, y)
    traces = [trace for trace in panel.traces if fits(trace.when, chosen)]
    few = sum(trace.look == "curve" for trace in traces) <= MOST_BANDS
    order = {"front": 0, "level": 1}
    for trace in sorted(traces, key=lambda t: order.get(t.look, 2)):
        _draw_trace(ax, trace, x=x, y=y, look=looks.get(trace.like or trace.name), few=few)


def _draw_note(ax: Axes, note: Remark, x: Axis, y: Axis) -> None:
    at = x.shown(note.x), y.shown(note.y)
    if note.text:
        ax.annotate(
            note.text,
            at,
            ha="center",
            va="center",
            fontsize=6,
            linespacing=1.1,
            color=INK,
            label=REMARK,
        )
    if note.to is not None:
        ax.annotate(
            "", (x.shown(note.to[0]), y.shown(note.to[1])), xytext=at, label=REMARK,
            arrowprops={"arrowstyle": "->", "linewidth": 0.6, "color": CONTEXT, "shrinkA": 1,
                        "shrinkB": 1},
        )  # fmt: skip


def draw_heat(ax: Axes, panel: Panel, chosen: Sequence[int]) -> AxesImage:
    """The panel's matrix, with the labels of rows and columns as ticks; of a tile at the ends."""
    heat: HeatMap = next(heat for heat in panel.heats if fits(heat.when, chosen))
    z = panel.z
    assert z is not None
    low, high = z.ends or (0.0, 1.0)
    image = ax.imshow(
        [[_number(z, value) for value in row] for row in heat.z],
        cmap=colours(z), vmin=low, vmax=high, origin="lower",
        aspect="auto" if heat.texts else "equal",
    )  # fmt: skip
    ax.grid(visible=False)
    if heat.texts:
        _write_cells(ax, panel, heat)
        return image
    for mine, at in ((ax.xaxis, heat.x), (ax.yaxis, heat.y)):
        places = spread(range(len(at)), 2 if panel.size == "tile" else 4)
        mine.set_ticks(places, labels=[f"{at[i]:.3g}" for i in places])
    return image


def beyond(panels: Sequence[Panel]) -> Literal["neither", "min", "max", "both"]:
    """On which side matrices have values that are not on the scale of colours."""
    z = panels[0].z
    rows = [row for panel in panels for heat in panel.heats for row in heat.z]
    if z is None or z.ends is None:
        return "neither"
    low, high = z.ends
    shown = [z.shown(value) for row in rows for value in row if value is not None]
    above = any(value > high for value in shown)
    if any(value < low for value in shown):
        return "both" if above else "min"
    return "max" if above else "neither"


UNCOLOURED = "#e8e8e8"
"""Of cells without a colour of their own."""


CELL = (0.52, 0.3)
"""Inches across and down of a cell in which two lines are written."""

LONGEST = 18
"""Letters of the name of a row or column."""

LETTER = 0.055
"""Inches across a letter of a tick's label, on average."""


def names_height(names: Sequence[str]) -> float:
    """Inches that the names of columns of such cells take, which are turned where they are long."""
    longest = LETTER * min(LONGEST, max(map(len, names)))
    return longest if longest > CELL[0] else 0.12


def _write_cells(ax: Axes, panel: Panel, heat: HeatMap) -> None:
    """What is written in the cells, in black or white, white lines between them, and the names of
    rows and columns.
    """
    z = panel.z
    assert z is not None
    ax.set_facecolor(UNCOLOURED)
    ax.tick_params(length=0)
    for axis, mine in ((panel.x, ax.xaxis), (panel.scales[0], ax.yaxis)):
        names = [drawable(name, LONGEST) for name in axis.names]
        turned = axis is panel.x and names_height(names) > CELL[0]
        mine.set_ticks(range(len(names)), labels=names, rotation=90 if turned else 0)
        mine.set_ticks([i + 0.5 for i in range(len(names) - 1)], minor=True)
    ax.grid(visible=True, which="minor", color="white", linewidth=1.0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for j, row in enumerate(heat.texts):
        for i, text in enumerate(row):
            value = heat.z[j][i]
            colour = "black" if value is None else ink_on(colour_at(z, value))
            ax.text(i, j, text, color=colour, fontsize=5.5, ha="center", va="center")


def colours(z: Axis) -> Colormap:
    """The scale of colours, from the lowest value to the highest."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = HEAT[::-1] if z.reverse else HEAT
    return LinearSegmentedColormap.from_list("heat", list(stops))


def colour_of(polygon: Polygon, look: Look | None, z: Axis | None) -> Any:
    """By its value, or that of its name."""
    if polygon.value is None or z is None:
        return CONTEXT if look is None else look.light
    return colour_at(z, polygon.value)


def colour_at(z: Axis, value: float) -> tuple[float, float, float]:
    """Red, green and blue of a value, in 0 to 1."""
    low, high = z.ends or (0.0, 1.0)
    red, green, blue, _ = colours(z)((z.shown(value) - low) / ((high - low) or 1.0))
    return red, green, blue


def handle_of(mark: Trace | Polygon, look: Look | None) -> Any:
    """What stands for a mark in a legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colour = CONTEXT if look is None else look.light
    if isinstance(mark, Polygon) or mark.look in ("bars", "band"):
        return Patch(facecolor=colour, alpha=0.3 if getattr(mark, "look", "") == "band" else 1)
    if mark.look == "stairs":
        if look is None:
            return Patch(facecolor=(CONTEXT, CONTEXT_FILL))
        return Patch(facecolor=(colour, FILL), edgecolor=colour, linewidth=0.9)
    return Line2D([], [], **line_style(mark, look))


FILL = 0.12
"""Opacity of bands and of what lies under a histogram."""

CONTEXT_FILL = 0.45
"""The same of a histogram that stands for no label, which has no outline."""


def line_style(trace: Trace, look: Look | None) -> dict[str, Any]:
    """How a trace looks, in the words of `Axes.plot`."""
    if trace.look == "front":
        return {"color": CONTEXT, "linewidth": 2.4, "alpha": 0.5}
    if look is None:
        style: dict[str, Any] = {"color": CONTEXT, "linewidth": 1.2}
        style |= {"marker": "o"} if trace.look in MARKED else {}
        style |= {"linestyle": "none"} if trace.look == "points" else {}
        style |= {"markerfacecolor": "white"} if trace.hollow else {}
        return style | ({"linewidth": 0} if trace.look == "stairs" else {})
    style = {"color": look.light, "dashes": look.dashes or (None, None)}
    if trace.look in MARKED:
        is_open = look.open or trace.hollow
        style |= {
            "marker": look.marker,
            "markerfacecolor": "white" if is_open else look.light,
            "markeredgecolor": look.light,
            "markeredgewidth": 0.7 if is_open else 0.3,
        }
    if trace.look == "points":
        style["linestyle"] = "none"
        del style["dashes"]
    if trace.look == "stairs":
        del style["dashes"]
    return style | ({"linewidth": 0.9} if trace.look in ("curve", "level", "stairs") else {})


ORDER = {"raster": 0.6, "bars": 0.8, "polygon": 0.9, "front": 1}
"""What lies below what, as plotly has it: images, bars, areas, lines; the grid is below all."""

STEPS = {"stairs": "steps-mid", "front": "steps-post"}


def _draw_trace(ax: Axes, trace: Trace, *, x: Axis, y: Axis, look: Look | None, few: bool) -> None:
    colour = CONTEXT if look is None else look.light
    at = [_number(x, v, trace.shift) for v in trace.x]
    mean = [_number(y, v) for v in trace.y]
    half, down = (
        [y.factor * (r or 0.0) if r is not None else float("nan") for r in reach]
        for reach in (trace.reach, trace.down or trace.reach)
    )
    if trace.look == "level" and x.ends is not None:  # from one end to the other
        first, last = x.ends[::-1] if x.reverse else x.ends
        at, mean = [first, *at, last], [mean[0], *mean, mean[-1]]
        half, down = ([h[0], *h, h[-1]] if h else h for h in (half, down))
    low = [m - h for m, h in zip(mean, down, strict=False)]
    high = [m + h for m, h in zip(mean, half, strict=False)]
    if trace.look == "bars":
        ax.bar(at, mean, width=trace.width, color=colour, zorder=ORDER["bars"])
    banded = trace.look in ("band", "level") or (trace.look == "curve" and few)
    if half and banded:
        opacity = 0.05 if trace.look == "level" else FILL
        known = [i for i, h in enumerate(half) if math.isfinite(h) and math.isfinite(mean[i])]
        x_known, bottom, top = ([values[i] for i in known] for values in (at, low, high))
        ax.fill_between(x_known, bottom, top, color=colour, alpha=opacity, linewidth=0)
    elif half and trace.look in ("line", "points", "bars"):
        ax.vlines(at, low, high, color=colour, linewidth=1.4 if trace.wide else 0.6, alpha=0.55)
    if trace.wide:
        wide = [(m, y.factor * w) for m, w in zip(mean, trace.wide, strict=True) if w is not None]
        there = [place for place, w in zip(at, trace.wide, strict=True) if w is not None]
        ax.vlines(
            there, [m - w for m, w in wide], [m + w for m, w in wide], color=colour, linewidth=0.4
        )
    if trace.look == "stairs":
        opacity = FILL if look else CONTEXT_FILL
        ax.fill_between(at, mean, step="mid", color=colour, alpha=opacity, linewidth=0)
    if trace.look not in ("bars", "band"):
        ax.plot(
            at, mean, label=trace.name, drawstyle=STEPS.get(trace.look, "default"),
            zorder=ORDER.get(trace.look, 2), **line_style(trace, look),
        )  # fmt: skip
    for place, value, lost in zip(at, mean, trace.lost, strict=False):
        if lost:
            ax.annotate(
                LOST_MARK, (place, value), xytext=(2.5, 2), textcoords="offset points",
                fontsize=7, color=colour,
            )  # fmt: skip


def _number(axis: Axis, value: float | None, shift: float = 1.0) -> float:
    return float("nan") if value is None else shift * axis.shown(value)
