"""Legends above the axes, and how a look is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import Subject
from lth_bench.output.style import Look
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 0.135
"""Inches that a line of the legend takes."""


def new_figure(width: float, height: float, names: Sequence[str] = ()) -> Figure:
    """An empty figure with space for axes of `height` inches below a legend of these names."""
    from matplotlib.figure import Figure

    lines = math.ceil(len(names) / _columns(width, legend_names(names))) if names else 0
    return Figure(figsize=(width, height + LINE * lines), layout="constrained")


def in_order(
    looks: Mapping[str, Look], subjects: Iterable[Subject], marked: bool = True
) -> dict[str, Any]:
    """What stands for the subjects in a legend, by name, in the order of the looks."""
    names = {subject.name for subject in subjects}
    return {name: handle(look, marked) for name, look in looks.items() if name in names}


def add_legend(figure: Figure, shown: Mapping[str, Any], width: float) -> None:
    """A legend above all axes, column by column."""
    names = legend_names(list(shown))
    if names:
        figure.legend(
            list(shown.values()), names, loc="outside upper center",
            ncols=_columns(width, names), borderaxespad=0.0,
        )  # fmt: skip


def legend_names(names: Sequence[str]) -> list[str]:
    """The names as they are drawn: shortened where they can be told apart nevertheless."""
    short = [drawable(name, 22) for name in names]
    return short if len(set(short)) == len(short) else [drawable(name, 80) for name in names]


def _columns(width: float, names: Sequence[str]) -> int:
    """Columns of the legend that fit: letters of 7 points are .053 inches wide on average."""
    widest = max(map(len, names))
    return max(1, min(len(names), int(width / (0.053 * widest + 0.43))))


def drawable(name: str, longest: int) -> str:
    """A name as the figures' font can draw it, on one line, and shortened in its middle."""
    known = _characters()
    text = "".join(c if ord(c) in known else "□" for c in printable(name)).strip()
    if len(text) > longest:
        half = (longest - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    # matplotlib leaves names that begin with _ out of legends
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def line_style(look: Look, marked: bool = True) -> dict[str, Any]:
    """A look in the words of `Axes.plot`."""
    style: dict[str, Any] = {"color": look.light, "dashes": look.dashes or (None, None)}
    if marked:
        style |= {
            "marker": look.marker,
            "markerfacecolor": "white" if look.open else look.light,
            "markeredgecolor": look.light,
            "markeredgewidth": 0.7 if look.open else 0.3,
        }
    return style


def handle(look: Look, marked: bool = True) -> Any:
    """What stands for a look in a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **line_style(look, marked))
