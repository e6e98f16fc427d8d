"""The figures' numbers as compact JSON: rounded to what is shown, equal arrays kept once.

A report of 2,000 experiments has hundreds of thousands of numbers, and plotly takes 4.8 of the 8 MB
that a page may have. `templates/charts.js` unpacks it; one-letter keys are explained there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from lth_bench.output.page.content import Choice, Group, clean
from lth_bench.output.page.figure import Axis, Figure, Heat, Look, Mark

if TYPE_CHECKING:
    from lth_bench.output.studies import Drawn

DIGITS = 4
"""Significant digits of what has no fixed number of decimals."""

LOOKS: tuple[Look, ...] = get_args(Look)


class Payload:
    """Groups of figures as they are met, and the arrays, axes and names they share."""

    def __init__(self) -> None:
        self._arrays: dict[str, int] = {}
        self._axes: dict[str, int] = {}
        self._names: dict[tuple[str, str], int] = {}
        self._groups: list[dict[str, Any]] = []
        self._plots: list[dict[str, Any]] = []

    def add(self, group: Group) -> int:
        """The number by which the page's script finds the group."""
        self._groups.append({
            "title": clean(group.title),
            "choices": [_choice(choice) for choice in group.choices],
            "figures": [self._figure(figure) for figure in group.figures],
        })  # fmt: skip
        return len(self._groups) - 1

    def plot(self, drawn: Drawn) -> int:
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
            "series": series,
            "groups": self._groups,
            "plots": self._plots,
        }
        body = json.dumps(rest, separators=(",", ":"), allow_nan=False)
        body = f'{{"arrays":[{",".join(self._arrays)}],"axes":[{",".join(self._axes)}],{body[1:]}'
        for character in "<>&":
            body = body.replace(character, f"\\u{ord(character):04x}")
        return body

    def _figure(self, figure: Figure) -> dict[str, Any]:
        found: dict[str, Any] = {
            "title": clean(figure.title),
            "x": self._axis(figure.x),
            "y": [self._axis(axis) for axis in figure.scales],
            "height": figure.height,
        }
        if figure.marks:
            found["marks"] = [self._mark(figure, mark) for mark in figure.marks]
        if figure.heats:
            found["heats"] = [self._heat(figure, heat) for heat in figure.heats]
        if figure.z is not None:
            found["z"] = self._axis(figure.z)
        if figure.more is not None:
            found["more"] = self._axis(figure.more)
        if figure.dodge:
            found["dodge"] = True
        if figure.when:
            found["when"] = list(figure.when)
        return found

    def _mark(self, figure: Figure, mark: Mark) -> dict[str, Any]:
        y = figure.scales[0]
        found: dict[str, Any] = {
            "s": self._names.setdefault((clean(mark.name), clean(mark.control)), len(self._names)),
            "k": LOOKS.index(mark.look),
            "x": self._array(figure.x, mark.x),
            "y": self._array(y, mark.y),
        }
        if any(value is not None for value in mark.reach):
            found["e"] = self._array(y, mark.reach)
        if mark.n:
            found["n"] = self._shared(map(str, mark.n))
        if mark.more and figure.more is not None:
            found["m"] = self._array(figure.more, mark.more)
        if mark.when:
            found["w"] = list(mark.when)
        return found

    def _heat(self, figure: Figure, heat: Heat) -> dict[str, Any]:
        assert figure.z is not None
        lower = [value for i, row in enumerate(heat.z) for value in row[: i + 1]]
        found: dict[str, Any] = {
            "x": self._array(figure.x, heat.at), "z": self._array(figure.z, lower),
        }  # fmt: skip
        if heat.when:
            found["w"] = list(heat.when)
        return found

    def _axis(self, axis: Axis) -> int:
        return self._axes.setdefault(
            json.dumps(_axis(axis), separators=(",", ":")), len(self._axes)
        )

    def _array(self, axis: Axis, values: Sequence[float | None]) -> int:
        return self._shared(_number(axis, value) for value in values)

    def _shared(self, numbers: Iterable[str]) -> int:
        return self._arrays.setdefault(f"[{','.join(numbers)}]", len(self._arrays))


def _number(axis: Axis, value: float | None) -> str:
    """One number as JSON; what is none or not finite is null."""
    if value is None or not math.isfinite(value):
        return "null"
    if axis.format == "points" or (axis.format == "percent" and axis.scale == "linear"):
        return _short(round(100 * value, 2))
    if axis.format == "percent":  # a logarithmic scale shows small ones as well as large ones
        return _short(float(f"{100 * value:.{DIGITS}g}"))
    if axis.format == "steps":
        return _short(round(value, 1))
    return _short(float(f"{value:.{DIGITS}g}"))


def _short(value: float) -> str:
    """97.0 as 97, −0.0 as 0: repr without what says nothing."""
    return repr(value + 0.0).removesuffix(".0")


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": clean(axis.title), "format": axis.format, "scale": axis.scale,
    }  # fmt: skip
    if axis.ticks:
        found["ticks"] = [json.loads(_number(axis, tick)) for tick in axis.ticks]
    if axis.names:
        found["names"] = [clean(name) for name in axis.names]
    for key in ("reverse", "zero", "complement"):
        if getattr(axis, key):
            found[key] = True
    for key in ("low", "high"):
        limit = getattr(axis, key)
        if limit is not None:
            found[key] = json.loads(_number(axis, limit))
    return found


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "title": clean(choice.title),
        "values": [clean(value) for value in choice.values],
        "start": choice.start,
    }
