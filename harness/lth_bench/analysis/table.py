"""Tables for people, and the rows behind them for programs: one model for every command.

A command makes a `Board`: its raw rows, and the tables that show them. `formats.py` and
`terminal.py` print it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Style = Literal["", "best", "good", "bad", "strong", "dim", "dense", "warn"]
"""What a cell is: the best of its block, better or worse than what it is compared with, the
block's key, a control, the dense run, something the reader must not overlook."""


@dataclass(frozen=True)
class Cell:
    """One cell's text."""

    text: str
    style: Style = ""
    short: str | None = None
    """What stands here instead where the table is too wide for the terminal."""


Line = tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, a header, and blocks of lines with a rule between them."""

    header: tuple[str, ...]
    blocks: Sequence[Sequence[Line]]
    title: str = ""
    """What stands above the table, such as the task."""
    group: str = ""
    """Heading that it shares with its neighbours, such as the suite."""
    left: frozenset[int] = frozenset({0})
    """Columns aligned to the left; all others to the right."""
    notes: tuple[str, ...] = ()
    """What must be said of this table, below it."""
    optional: frozenset[int] = frozenset()
    """Columns that a terminal leaves out, the rightmost first, where even the short cells do not
    fit."""
    wide: frozenset[int] = frozenset()
    """Columns that a terminal shows only where the whole table fits with them."""
    interval: int | None = None
    """A column of `mean ± half-width`; the half-width stands below the mean where the table is too
    wide otherwise."""
    second: int | None = None
    """A column of second half-widths, right of `interval`; they stand below it where the whole
    table does not fit."""
    prose: int | None = None
    """A column of sentences, which take several lines so that the table fits."""
    about: tuple[str, ...] = ()
    """Suite, model, dataset and recipe, where it is about one task."""

    def __post_init__(self) -> None:
        for line in self.lines():
            assert len(line) == len(self.header), (self.header, line)

    def lines(self) -> list[Line]:
        """All lines, without the rules."""
        return [line for block in self.blocks for line in block]


@dataclass(frozen=True)
class Board:
    """A command's answer: rows for programs, tables for people."""

    name: str
    """The key of the rows in JSON."""
    rows: Sequence[Mapping[str, Any]]
    """Raw values, fractions as fractions; every row has the same keys in the same order."""
    tables: Sequence[Table]
    legend: str = ""
    """What the columns mean, once below all tables."""


def plain_cells(texts: Sequence[str], style: Style = "") -> Line:
    """Cells of one style."""
    return tuple(Cell(text, style) for text in texts)
