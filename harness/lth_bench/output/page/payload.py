"""The figures' numbers as compact JSON: rounded to what is shown, equal arrays kept once.

A report of 2,000 experiments has hundreds of thousands of numbers, and plotly takes 4.8 of the 8 MB
that a page may have. `templates/charts.js` unpacks it; one-letter keys are explained there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args

from lth_bench.output.page.content import clean
from lth_bench.output.page.security import in_script
from lth_bench.output.pictures.model import (
    MOST_BANDS,
    Axis,
    Facet,
    HeatMap,
    Panel,
    Picture,
    Polygon,
    Raster,
    Remark,
    Trace,
    TraceLook,
)
from lth_bench.output.style import CONTEXT, HEAT

if TYPE_CHECKING:
    from lth_bench.output.page.studies import OptunaFigure

DIGITS = 4
"""Significant digits of what has no fixed number of decimals."""

ENDS = 7
"""Significant digits of the ends of axes."""

HEIGHTS = {"large": 430, "medium": 340, "small": 230, "square": 460, "tile": 300, "wide": 250}
"""Pixels of a panel."""

LOOKS: tuple[TraceLook, ...] = get_args(TraceLook)


class Payload:
    """Pictures as they are met, and the arrays, axes and names they share."""

    def __init__(self) -> None:
        self._arrays: dict[str, int] = {}
        self._axes: dict[str, int] = {}
        self._names: dict[tuple[str, str], int] = {}
        self._pictures: list[dict[str, Any]] = []
        self._plots: list[dict[str, Any]] = []

    def add(self, picture: Picture) -> int:
        """The number by which the page's script finds the picture."""
        self._pictures.append({
            "title": clean(picture.title),
            "choices": [_choice(choice) for choice in picture.choices],
            "panels": [self._panel(panel) for panel in picture.panels],
        })  # fmt: skip
        return len(self._pictures) - 1

    def plot(self, drawn: OptunaFigure) -> int:
        """The number by which the page's script finds a figure that Optuna made."""
        self._plots.append({"data": drawn.data, "layout": drawn.layout})
        return len(self._plots) - 1

    def text(self, series: Mapping[str, Mapping[str, object]]) -> str:
        """JSON that can stand in a script element: no `<`, `>`, `&`, and nothing but ASCII.

        `series` says how each name looks.
        """
        rest = {
            "names": list(self._names),
            "looks": LOOKS,
            "context": CONTEXT,
            "heat": HEAT,
            "bands": MOST_BANDS,
            "series": series,
            "pictures": self._pictures,
            "plots": self._plots,
        }
        body = json.dumps(rest, separators=(",", ":"), allow_nan=False)
        body = f'{{"arrays":[{",".join(self._arrays)}],"axes":[{",".join(self._axes)}],{body[1:]}'
        return in_script(body)

    def _panel(self, panel: Panel) -> dict[str, Any]:
        found: dict[str, Any] = {
            "title": clean(panel.title),
            "x": self._axis(panel.x),
            "y": [self._axis(axis) for axis in panel.scales],
            "height": HEIGHTS[panel.size],
            "traces": [self._trace(panel, trace) for trace in panel.traces],
            "heats": [self._heat(panel, heat) for heat in panel.heats],
            "polygons": [self._polygon(panel, polygon) for polygon in panel.polygons],
            "rasters": [self._raster(panel, raster) for raster in panel.rasters],
            "notes": [self._note(panel, note) for note in panel.notes],
        }
        if panel.z is not None:
            found["z"] = self._axis(panel.z)
        if panel.more is not None:
            found["more"] = self._axis(panel.more)
        if panel.wider:
            found["wider"] = panel.wider
        if panel.ends_named:
            found["named"] = True
        if panel.isometric:
            found["isometric"] = True
        if panel.size == "wide":
            found["wide"] = True
        if panel.when:
            found["when"] = list(panel.when)
        return {key: value for key, value in found.items() if value != []}

    def _trace(self, panel: Panel, trace: Trace) -> dict[str, Any]:
        y = panel.scales[0]
        found: dict[str, Any] = {
            "s": self._name(trace.name, trace.control),
            "k": LOOKS.index(trace.look),
            "x": self._array(panel.x, trace.x),
            "y": self._array(y, trace.y),
        }
        if any(value is not None for value in trace.reach):
            found["e"] = self._array(y, trace.reach)
        if trace.down:
            found["f"] = self._array(y, trace.down)
        if any(value is not None for value in trace.wide):
            found["g"] = self._array(y, trace.wide)
        if trace.n:
            found["n"] = self._shared(map(str, trace.n))
        if any(trace.lost):
            found["l"] = self._shared(map(str, trace.lost))
        if trace.more and panel.more is not None:
            found["m"] = self._array(panel.more, trace.more)
        if trace.shift != 1:
            found["d"] = float(f"{trace.shift:.{DIGITS}g}")
        if trace.like:
            found["i"] = self._name(trace.like, trace.control)
        if trace.hollow:
            found["o"] = 1
        if trace.look == "bars":
            found["b"] = trace.width
        return found | _when(trace)

    def _heat(self, panel: Panel, heat: HeatMap) -> dict[str, Any]:
        assert panel.z is not None
        z = heat.z
        found: dict[str, Any] = {"x": self._array(panel.x, heat.x)}
        if (
            not heat.texts
            and heat.x == heat.y
            and all(z[i][j] == z[j][i] for i in range(len(z)) for j in range(i))
        ):  # half of a symmetric matrix says it all
            lower = [value for i, row in enumerate(z) for value in row[: i + 1]]
            found["h"] = self._array(panel.z, lower)
        else:
            found["y"] = self._array(panel.scales[0], heat.y)
            found["z"] = self._array(panel.z, chain(*z))
        if heat.texts:
            found["t"] = self._shared(map(json.dumps, chain(*heat.texts)))
        if any(value is not None for value in chain(*heat.reach)):
            found["e"] = self._array(panel.z, chain(*heat.reach))
        if heat.more and panel.more is not None:
            found["m"] = self._array(panel.more, chain(*heat.more))
        for key, counts in (("n", heat.n), ("l", heat.lost), ("c", heat.collapsed)):
            if any(chain(*counts)):
                found[key] = self._shared(map(str, chain(*counts)))
        return found | _when(heat)

    def _polygon(self, panel: Panel, polygon: Polygon) -> dict[str, Any]:
        found: dict[str, Any] = {
            "s": self._name(polygon.name, "none"),
            "x": self._array(panel.x, polygon.x),
            "y": self._array(panel.scales[0], polygon.y),
        }
        if polygon.value is not None and panel.z is not None:
            found["v"] = json.loads(_number(panel.z, polygon.value))
        return found | _when(polygon)

    def _raster(self, panel: Panel, raster: Raster) -> dict[str, Any]:
        flat = [str(value) for row in raster.pixels for pixel in row for value in pixel]
        return {
            "x": self._array(panel.x, raster.x),
            "y": self._array(panel.scales[0], raster.y),
            "c": len(raster.pixels[0]),
            "p": self._shared(flat),
        } | _when(raster)

    def _note(self, panel: Panel, note: Remark) -> dict[str, Any]:
        ends = [(note.x, note.y), *([note.to] if note.to is not None else [])]
        return {
            "t": [clean(line) for line in note.text.split("\n")],
            "x": self._array(panel.x, [x for x, _ in ends]),
            "y": self._array(panel.scales[0], [y for _, y in ends]),
        } | _when(note)

    def _name(self, name: str, control: str) -> int:
        return self._names.setdefault((clean(name), clean(control)), len(self._names))

    def _axis(self, axis: Axis) -> int:
        return self._axes.setdefault(
            json.dumps(_axis(axis), separators=(",", ":")), len(self._axes)
        )

    def _array(self, axis: Axis, values: Iterable[float | None]) -> int:
        rounded = _rounding(axis)
        return self._shared(
            "null" if value is None or not math.isfinite(value) else rounded(value)
            for value in values
        )

    def _shared(self, numbers: Iterable[str]) -> int:
        return self._arrays.setdefault(f"[{','.join(numbers)}]", len(self._arrays))


def _number(axis: Axis, value: float | None) -> str:
    """One number as JSON; None and what is not finite are null."""
    return "null" if value is None or not math.isfinite(value) else _rounding(axis)(value)


def _rounding(axis: Axis) -> Callable[[float], str]:
    """How a number on an axis is written: with the digits that its format shows."""
    if axis.format == "points" or (axis.format == "percent" and axis.scale == "linear"):
        return lambda value: _short(round(100 * value, 2))
    if axis.format == "percent":  # a logarithmic scale shows small ones as well as large ones
        return lambda value: _short(float(f"{100 * value:.{DIGITS}g}"))
    if axis.format == "steps":
        return lambda value: _short(round(value, 1))
    return lambda value: _short(float(f"{value:.{DIGITS}g}"))


def _short(value: float) -> str:
    """97.0 as 97, −0.0 as 0: repr without a trailing .0."""
    return repr(value + 0.0).removesuffix(".0")


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": clean(axis.title), "label": clean(axis.label), "format": axis.format,
        "scale": axis.scale,
    }  # fmt: skip
    if axis.ticks:
        found["ticks"] = [json.loads(_number(axis, tick)) for tick in axis.ticks]
    if axis.names:
        found["names"] = [clean(name) for name in axis.names]
    for key in ("reverse", "complement"):
        if getattr(axis, key):
            found[key] = True
    if axis.ends is not None:
        found["ends"] = [float(f"{end:.{ENDS}g}") for end in axis.ends]
    return found


def _when(mark: Trace | HeatMap | Polygon | Raster | Remark) -> dict[str, Any]:
    return {"w": list(mark.when)} if mark.when else {}


def _choice(choice: Facet) -> dict[str, Any]:
    return {
        "title": clean(choice.title),
        "values": [clean(value) for value in choice.values],
        "start": choice.start,
    }
