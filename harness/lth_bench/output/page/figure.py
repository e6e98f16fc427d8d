"""A figure as plain data: what is drawn, not how. `templates/charts.js` draws it with plotly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Format = Literal["percent", "points", "steps", "ratio", "value"]
"""How numbers read: a fraction as 97.80%; a difference of fractions as +0.40 points; 1,200; 1.57×;
whatever has four digits."""

Look = Literal["line", "curve", "stairs", "points", "level", "front"]
"""Points joined, with bars for the intervals; many points joined, with a band; a histogram's
outline; points alone; a line across the whole figure; the outline of what nothing beats."""

Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Axis:
    """One axis."""

    title: str
    format: Format = "value"
    scale: Literal["linear", "log", "names"] = "linear"
    ticks: Sequence[float] = ()
    """Where it is labelled; by default at round numbers."""
    names: Sequence[str] = ()
    """What the whole numbers 0, 1, … stand for, on a scale of names."""
    reverse: bool = False
    zero: bool = False
    """Whether it always reaches to 0."""
    low: float | None = None
    """It begins no lower than here, whatever lies below."""
    high: float | None = None
    """It ends no higher than here."""
    complement: bool = False
    """Whether it shows 1 − y: the error of an accuracy."""


@dataclass(frozen=True)
class Mark:
    """One line, curve or cloud of points: a method, or one of its controls."""

    name: str
    """Of the subject it stands for, whose look it has; any other is drawn in grey."""
    control: str
    """`none` for the ticket itself; controls of one kind are switched together."""
    look: Look
    x: Numbers
    y: Numbers
    reach: Numbers = ()
    """Half-widths of the intervals; empty where there are none."""
    n: Sequence[int] = ()
    """Seeds behind each point."""
    more: Numbers = ()
    """A further number of each point, which only the pointer shows; see Figure.more."""
    when: Sequence[int] = ()
    """By choice of the group: the number of the value that shows it; −1 is any."""


@dataclass(frozen=True)
class Heat:
    """A symmetric matrix in colours."""

    at: Sequence[float]
    """Places of its n rows and columns on both axes."""
    z: Sequence[Sequence[float]]
    """[n][n], of which the lower triangle is read."""
    when: Sequence[int] = ()


@dataclass(frozen=True)
class Figure:
    """One picture."""

    title: str
    x: Axis
    y: Axis | Sequence[Axis]
    """Several where the reader chooses the scale, by the last choice of the group."""
    marks: Sequence[Mark] = ()
    heats: Sequence[Heat] = ()
    z: Axis | None = None
    """What a matrix's colours mean."""
    more: Axis | None = None
    """What the marks' further numbers mean."""
    about: str = ""
    """What it shows, for those who cannot see it; the title by default."""
    dodge: bool = False
    """Whether marks at one x are moved apart by a few pixels, so that bars do not hide others."""
    height: int = 380
    """Pixels."""
    when: Sequence[int] = ()
    """As a mark's, where the whole figure depends on what is chosen."""

    @property
    def scales(self) -> Sequence[Axis]:
        """The y axes to choose from."""
        return (self.y,) if isinstance(self.y, Axis) else self.y


def reaches(mean: Numbers, high: Numbers) -> list[float | None]:
    """Half-widths of intervals that are given by their ends, as t-intervals are."""
    return [None if m is None or h is None else h - m for m, h in zip(mean, high, strict=True)]
