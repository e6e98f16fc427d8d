"""What a page is made of: plain data and no HTML. Sections make these, the templates show them.

Text is plain text everywhere: the templates and the script escape it. A name from the database,
which may come from another person's run, is a `Name`: it is isolated, so that right-to-left letters
in it do not reorder the text around it. Control characters become � before they get here (`clean`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lth_bench.analysis.boards.judging import STYLES
from lth_bench.analysis.table import Cell, Style, Table
from lth_bench.output.pictures.model import Picture
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from lth_bench.output.page.studies import OptunaFigure


@dataclass(frozen=True)
class Name:
    """A name from the database."""

    text: str


@dataclass(frozen=True)
class PageLink:
    """Words that lead to another page; of a name from the database too."""

    text: str
    href: str


ProsePiece = str | Name | PageLink


@dataclass(frozen=True)
class Prose:
    """One paragraph."""

    kind: ClassVar = "prose"
    pieces: Sequence[ProsePiece]
    tone: Literal["", "quiet", "warn", "finding"] = ""


@dataclass(frozen=True)
class Facts:
    """Names and values, as of an environment."""

    kind: ClassVar = "facts"
    caption: str
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Something to copy: a command, a suite."""

    kind: ClassVar = "code"
    title: str
    text: str
    folded: bool = False
    """Whether it is opened by the reader, as what is long should be."""


@dataclass(frozen=True)
class Column:
    """A column of a grid."""

    title: str
    about: str = ""
    """What it means, where the title does not say so."""
    numeric: bool = True
    """Aligned to the right, and sorted as numbers: the first click puts the largest first."""
    ascending: bool = False
    """Whether the first click puts the smallest first, as for ranks."""


@dataclass(frozen=True, kw_only=True)
class IntervalCell(Cell):
    """An interval, drawn; its numbers stand in another cell. All are x on a drawing of `WIDTH`."""

    WIDTH: ClassVar = 180
    zero: int
    """Of no difference."""
    mean: int | None
    """None where it lies beyond the drawing, which then has an arrow."""
    low: int
    high: int
    band: tuple[int, int]
    """Where the difference does not matter: the left end, and the width."""


@dataclass(frozen=True, kw_only=True)
class LinksCell(Cell):
    """Links to other pages, after the cell's text."""

    links: Sequence[PageLink]


@dataclass(frozen=True)
class RowFilter:
    """Something that the rows of a grid can be filtered by."""

    title: str
    values: Sequence[str]
    many: bool = False
    """Whether each value is a switch of its own; otherwise one is chosen, or all."""


@dataclass(frozen=True)
class GridRow:
    """A line of a grid."""

    cells: Sequence[Cell]
    facets: Sequence[int] = ()
    """By facet: the number of its value; −1 is shown whatever is chosen."""
    first: bool = False
    """Whether a rule stands above it, until the grid is sorted."""
    style: Style = ""
    """Of all cells that have none of their own."""
    anchor: str = field(default="", kw_only=True)
    """What links to this row name; letters, digits and hyphens."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table that sorts and filters. The first column heads its rows."""

    kind: ClassVar = "grid"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[GridRow]
    facets: Sequence[RowFilter] = ()
    head: int = 0
    """The column that names the row."""
    searched: bool = False
    """Whether there is a field to filter by text."""
    notes: Sequence[str] = ()
    cards: bool = False
    """Whether a phone has a card for each row, so that nothing is off the screen."""


def grid_of(table: Table) -> Grid:
    """A command's table (`analysis.table`) as it stands on the page, its rows headed by the first
    column of text.
    """
    columns = [
        Column(title, numeric=index not in table.left) for index, title in enumerate(table.header)
    ]
    rows = [
        GridRow(line, first=number == 0)
        for block in table.blocks
        for number, line in enumerate(block)
    ]
    return Grid(
        caption=table.title or "Table",
        columns=columns,
        rows=rows,
        head=min(table.left, default=0),
        notes=table.notes,
    )


@dataclass(frozen=True)
class Plots:
    """Figures that Optuna made for plotly, which the page only gives its colours."""

    kind: ClassVar = "plots"
    title: str
    """Names them for screen readers."""
    plots: Sequence[OptunaFigure]
    note: str = ""
    """How to read them, below."""
    height: int = 270
    """Pixels of each."""


@dataclass(frozen=True)
class Views:
    """What a reader sees one of at a time, by buttons; without a script all stand below each other.

    The first is shown at first.
    """

    kind: ClassVar = "views"
    title: str
    """What the buttons choose: `weights kept`."""
    views: Sequence[View]


@dataclass(frozen=True)
class View:
    """One of them."""

    choice: str
    """On its button, and in links."""
    heading: str
    """Of the section while it is shown."""
    parts: Sequence[Part]


Part = Prose | Facts | Code | Grid | Picture | Plots | Views


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    key: str
    """Its place in links: letters and hyphens."""
    title: str
    parts: Sequence[Part]


def verdict_cell(row: Mapping[str, Any] | None) -> Cell:
    """The words of a row's verdict in its colour; empty where nothing was compared."""
    if row is None or row["verdict"] is None:
        return Cell("")
    return Cell(row["verdict_text"], STYLES.get(row["verdict"], ""))


def named(names: Sequence[str], most: int = 6) -> list[ProsePiece]:
    """Names from the database as a list in words: a, b and c; a, b and 5 more."""
    rest = len(names) - most + 1 if len(names) > most else 0
    shown: list[ProsePiece] = [Name(name) for name in (names[: most - 1] if rest else names)]
    if rest:
        shown.append(f"{rest} more")
    pieces: list[ProsePiece] = []
    for index, piece in enumerate(shown):
        if index:
            pieces.append(" and " if index == len(shown) - 1 else ", ")
        pieces.append(piece)
    return pieces


def clean(text: object) -> str:
    """A name or value from the database as one line without control characters."""
    return printable(" ".join(str(text).split("\n")))


def clean_lines(text: object) -> str:
    """A text of several lines from the database: each made safe, tabs as spaces."""
    shown = str(text)
    if shown.isprintable():  # a line, as nearly all are
        return shown
    return "\n".join(printable(line) for line in shown.expandtabs(4).splitlines())
