"""What surrounds the marks of a figure: axes as a picture describes them, and the legend."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.analysis.evidence.subject import spread
from lth_bench.output.pictures.model import Axis
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTER = 0.053
"""Inches that a letter of 7 points takes on average."""

LINE = 0.135
"""Inches that a line of the legend takes."""


FOOT_LETTER = 0.05
"""Inches across a letter of 6.5 points, on average."""

MOST_NAMES = 8
"""Names below a panel; of more, evenly spread ones."""


def set_axis(ax: Axes, key: Literal["x", "y"], axis: Axis, highest: float = 1.0) -> None:
    """Give one of the axes its scale, ends and ticks.

    `highest` is the largest value shown, which an axis without a range of its own ends above.
    """
    mine = ax.xaxis if key == "x" else ax.yaxis
    limit = ax.set_xlim if key == "x" else ax.set_ylim
    if axis.scale == "names":
        chosen = spread(range(len(axis.names)), MOST_NAMES)
        names = [drawable(axis.names[i], 18) for i in chosen]
        turned = 90 if key == "x" and not _beside(ax, names) else 0
        mine.set_ticks(chosen, labels=names, rotation=turned)
    if axis.scale == "log":
        _set_log(ax, key, axis)
    low, high = (0.0, 1.05 * max(highest, 1e-9)) if axis.ends is None else axis.ends
    limit(high, low) if axis.reverse else limit(low, high)


def _beside(ax: Axes, names: Sequence[str]) -> bool:
    """Whether these names have space beside each other below a panel."""
    place = ax.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    figure = ax.get_figure(root=True)
    assert figure is not None
    space = 0.8 * figure.get_figwidth() / columns
    return max(map(len, names)) <= 3 or (max(map(len, names)) + 2) * LETTER * len(names) <= space


def _set_log(ax: Axes, key: Literal["x", "y"], axis: Axis) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    assert axis.ends is not None
    low, high = axis.ends
    set_scale = ax.set_xscale if key == "x" else ax.set_yscale
    mine = ax.xaxis if key == "x" else ax.yaxis
    set_scale("log", nonpositive="clip")  # a fraction of 0 lies below, where its line runs out
    ticks = sorted((axis.factor * tick for tick in axis.ticks), reverse=True)
    mine.set_major_locator(FixedLocator(apart(ticks) if ticks else log_ticks(low, high)))
    mine.set_minor_locator(NullLocator())
    mine.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}"))


def apart(densities: Sequence[float], most: int = 7) -> list[float]:
    """The densities that ticks fit beside each other for, from the first; all if they do."""
    least = (densities[0] / densities[-1]) ** (0.9 / most)
    kept = list(densities[:1])
    for density in densities[1:]:
        if kept[-1] / density >= least:
            kept.append(density)
    return kept


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2, 5 in each power of ten; powers alone over many of them.

    Where the range is within a factor of three, which has too few of those, more of them.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps: tuple[float, ...] = (1, 2, 5) if last - first <= 4 else (1,)
    if high / low < 3:
        steps = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    every = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [x for x in every if low <= x <= high]


def new_figure(width: float, height: float, names: Sequence[str] = (), foot: str = "") -> Figure:
    """An empty figure with space for axes of `height` inches between a legend of these names and
    what is said at its foot.
    """
    from matplotlib.figure import Figure

    lines = math.ceil(len(names) / _columns(width, legend_names(names))) if names else 0
    said = textwrap.wrap(drawable(foot, len(foot) + 1), int(width / FOOT_LETTER)) if foot else []
    lines += len(said)
    figure = Figure(figsize=(width, height + LINE * lines), layout="constrained")
    if said:
        figure.supxlabel("\n".join(said), fontsize=6.5)
    return figure


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
    """Columns of the legend that fit."""
    widest = max(map(len, names))
    return max(1, min(len(names), int(width / (LETTER * widest + 0.43))))


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
