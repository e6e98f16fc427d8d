"""A picture as plain data: what is drawn, not how.

`page/templates/charts.js` draws it with plotly, `paper/draw.py` with matplotlib. Titles, units,
ranges, colours, marks and their order are said here and nowhere else, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from lth_bench.analysis.boards.notes import LOST_MARK

Format = Literal["percent", "points", "steps", "ratio", "value"]
"""How numbers read: a fraction as 97.80%; a difference of fractions as +0.40 points; 1,200; 1.57×;
anything else with four digits."""

UNITS: dict[Format, str] = {"percent": " (%)", "points": " (points)", "ratio": " (×)"}
"""What an axis says behind its title."""

TraceLook = Literal["line", "curve", "stairs", "points", "level", "front", "bars", "band"]
"""How the points of a trace are drawn: joined, with markers and interval bars; many points joined,
with a band; a histogram's outline; markers alone; a line across the whole panel; the outline of
what nothing beats; bars from 0; a band alone."""

Numbers = Sequence[float | None]

MOST_BANDS = 5
"""Curves of a panel up to which their bands are drawn; more of them cover each other."""

LOST = f"{LOST_MARK} some seeds failed"
"""What ‡ at a point means: its mean is over the others."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis, or what colours mean."""

    title: str
    format: Format = "value"
    scale: Literal["linear", "log", "names"] = "linear"
    range: tuple[float, float] | None = None
    """Its ends, the lower first, in the unit of the data. None: from 0 to what is shown, or, of
    names, around all of them."""
    ticks: Sequence[float] = ()
    """Where it is labelled; by default at round numbers."""
    names: Sequence[str] = ()
    """What the whole numbers 0, 1, … stand for, on a scale of names."""
    reverse: bool = False
    """Whether it runs from high to low; of colours, whether the lowest value is the brightest."""
    complement: bool = False
    """Whether it shows 1 − y: the error of an accuracy. Its range is of what is shown."""
    choice: str = ""
    """What readers choose it by, where a panel has several."""

    @property
    def label(self) -> str:
        """The title and the unit."""
        return self.title + UNITS.get(self.format, "")

    @property
    def factor(self) -> int:
        """What values are multiplied by to be shown: fractions are shown in percent."""
        return 100 if self.format in ("percent", "points") else 1

    @property
    def ends(self) -> tuple[float, float] | None:
        """The range, as it is shown; of names around all of them. None: see `range`."""
        if self.range is None:
            return (-0.5, len(self.names) - 0.5) if self.scale == "names" else None
        return self.factor * self.range[0], self.factor * self.range[1]

    def shown(self, value: float) -> float:
        """A value as it is shown: in percent, and of an error what is missing to 1."""
        return self.factor * (1 - value if self.complement else value)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One line, curve, cloud of points or row of bars: a method, or one of its controls."""

    name: str
    """Of the subject it stands for, whose look it has; any other is drawn in grey."""
    like: str = ""
    """A subject whose look it has and with which it is switched off, where its own name says
    something else: what several subjects have, such as seeds that still improved."""
    control: str
    """`none` for the ticket itself; controls of one kind are switched together."""
    look: TraceLook
    x: Numbers
    y: Numbers
    reach: Numbers = ()
    """Half-widths of the intervals; empty where there are none."""
    down: Numbers = ()
    """How far the intervals reach down, where that is not as far as up, as those of chances."""
    wide: Numbers = ()
    """Half-widths of second intervals, thin ones: see Panel.wider. Empty where there are none."""
    n: Sequence[int] = ()
    """Seeds behind each point."""
    lost: Sequence[int] = ()
    """Seeds that each point lacks because they failed: drawn as ‡. Empty where none did."""
    more: Numbers = ()
    """A further number of each point, which only the pointer shows; see Panel.more."""
    shift: float = 1.0
    """x is drawn at x · shift, so that the intervals of several lines do not hide each other."""
    hollow: bool = False
    """Whether markers are open; of a subject, its look says so too."""
    width: float = 0.8
    """Of bars, in the unit of x."""
    when: Sequence[int] = ()
    """By facet of the picture: the number of the value that shows it; −1 is any."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A matrix in colours, its cells of one size. What is in cells is given as [n][m]."""

    name: str
    """Of the subject it stands for."""
    x: Sequence[float]
    """Labels of its m columns, from left to right; on a scale of names their numbers."""
    y: Sequence[float]
    """Labels of its n rows, from the bottom to the top."""
    z: Sequence[Numbers]
    """See Panel.z; None has no colour."""
    texts: Sequence[Sequence[str]] = ()
    """What is written in the cells, in lines; empty where colours are to be read alone."""
    reach: Sequence[Numbers] = ()
    """Half-widths of the intervals of z, and of `more` where there is no z."""
    more: Sequence[Numbers] = ()
    """A further number of each cell; see Panel.more."""
    n: Sequence[Sequence[int]] = ()
    """Seeds behind each cell."""
    lost: Sequence[Sequence[int]] = ()
    """Seeds that each cell lacks because they failed."""
    collapsed: Sequence[Sequence[int]] = ()
    """Seeds of each cell with layer collapse."""
    when: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Polygon:
    """A filled area with straight edges."""

    name: str
    """As of a trace."""
    x: Sequence[float]
    """Its corners in order; the last is joined to the first."""
    y: Sequence[float]
    value: float | None = None
    """Gives it its colour by Panel.z, instead of that of its name."""
    when: Sequence[int] = ()


@dataclass(frozen=True)
class Raster:
    """An image."""

    pixels: Sequence[Sequence[tuple[int, int, int]]]
    """[H][W] of red, green and blue in 0 to 255, the top row first."""
    x: tuple[float, float]
    """Its left and right end."""
    y: tuple[float, float]
    """Its lower and upper end."""
    when: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A few words at a place, or an arrow from there to another one, or both."""

    text: str
    """Lines are divided by line breaks."""
    x: float
    """The middle of the words, or where the arrow begins."""
    y: float
    to: tuple[float, float] | None = None
    """Where the arrow points."""
    when: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes and what is drawn in them."""

    title: str
    x: Axis
    y: Axis | Sequence[Axis]
    """Several where readers choose the scale; paper has the first."""
    traces: Sequence[Trace] = ()
    heats: Sequence[HeatMap] = ()
    polygons: Sequence[Polygon] = ()
    rasters: Sequence[Raster] = ()
    notes: Sequence[Remark] = ()
    z: Axis | None = None
    """What colours mean."""
    more: Axis | None = None
    """What the further numbers of traces and matrices mean."""
    wider: str = ""
    """What the second, thin intervals of its traces say."""
    about: str = ""
    """What it shows, for screen readers; the title by default."""
    size: Literal["large", "medium", "small", "square", "tile", "wide"] = "medium"
    ends_named: bool = False
    """Whether lines are named at their right ends, beside the legend."""
    isometric: bool = False
    """Whether a unit is as long on both axes, as in a map."""
    when: Sequence[int] = ()
    """As a trace's, where the whole panel depends on what is chosen."""
    key: str = ""
    """Names its file, where each panel of the picture is one."""

    @property
    def scales(self) -> Sequence[Axis]:
        """The y axes to choose from."""
        return (self.y,) if isinstance(self.y, Axis) else self.y


@dataclass(frozen=True, kw_only=True)
class Facet:
    """What tells small multiples apart: a density, a method. The page shows one value at a time."""

    title: str
    values: Sequence[str]
    start: int = 0
    """What the page shows at first, and prints unless another is chosen."""
    spread: Literal["columns", "rows", "wrap", "files", "page"] = "columns"
    """Where paper has its values: beside or below each other, in lines of `most`, in files of
    their own; `page`: nowhere, since it only chooses among panels that are files of their own."""
    most: int = 4
    """Values that paper has space for; of more, evenly spread ones."""
    suffixes: Sequence[str] = ()
    """What each value adds to the file's name, where they are files of their own."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure: panels that share their legend and what is chosen for them."""

    kind: ClassVar = "picture"
    key: str
    """Its place in links and names of files: letters and hyphens."""
    title: str
    panels: Sequence[Panel]
    facets: Sequence[Facet] = ()
    panels_are: Literal["rows", "columns", "files"] = "rows"
    """Where paper has the panels."""
    note: str = ""
    """How to read it."""
    foot: str = ""
    """What a paper must say below it, so that it can be read alone."""
    columns: Literal[1, 2, 3] = 1
    """Most panels side by side on a wide screen."""

    @property
    def scales(self) -> Sequence[str]:
        """What a reader may choose a panel's y axis by; empty where there is nothing to choose."""
        return [axis.choice for axis in self.panels[0].scales] if self._has_scales else ()

    @property
    def choices(self) -> Sequence[Facet]:
        """All that a reader may choose: the facets, and the scale last."""
        scale = (
            [Facet(title="scale", values=self.scales, spread="page")] if self._has_scales else []
        )
        return [*self.facets, *scale]

    @property
    def has_lost(self) -> bool:
        """Whether ‡ is at one of its points."""
        return any(lost for panel in self.panels for t in panel.traces for lost in t.lost)

    @property
    def _has_scales(self) -> bool:
        return any(axis.choice for panel in self.panels for axis in panel.scales)


def fits(when: Sequence[int], chosen: Sequence[int]) -> bool:
    """Whether something with this `when` is shown once these values of the facets are chosen."""
    return all(value in (-1, own) for value, own in zip(when, chosen, strict=False))


def half_widths(mean: Numbers, high: Numbers) -> list[float | None]:
    """Half-widths of intervals that are given by their ends, as t-intervals are."""
    return [None if m is None or h is None else h - m for m, h in zip(mean, high, strict=True)]
