"""What a page is made of: plain data and no HTML. Sections make these, the templates show them.

Text is plain text everywhere: the templates and the script escape it. A name from the database,
which a stranger may have chosen, is a `Name`, so that it also keeps its writing direction to
itself. Control characters become � before they get here (`clean`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lth_bench.analysis.table import Cell, Style, Table
from lth_bench.output.page.figure import Figure
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from lth_bench.output.studies import Drawn


@dataclass(frozen=True)
class Name:
    """A name from the database."""

    text: str


Piece = str | Name


@dataclass(frozen=True)
class Prose:
    """One paragraph."""

    kind: ClassVar = "prose"
    pieces: Sequence[Piece]
    tone: Literal["", "quiet", "warn"] = ""


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
    """Aligned to the right, and sorted as numbers: largest first at the first click."""
    ascending: bool = False
    """Sorted smallest first at the first click, as a rank is."""


@dataclass(frozen=True)
class Facet:
    """Something rows can be filtered by."""

    title: str
    values: Sequence[str]
    many: bool = False
    """Whether each value is a switch of its own; otherwise one is chosen, or all."""


@dataclass(frozen=True)
class Row:
    """A line of a grid."""

    cells: Sequence[Cell]
    facets: Sequence[int] = ()
    """By facet: the number of its value; −1 is shown whatever is chosen."""
    first: bool = False
    """Whether a rule stands above it, until the grid is sorted."""
    style: Style = ""
    """Of all cells that have none of their own."""


@dataclass(frozen=True)
class Grid:
    """A table that sorts and filters. The first column heads its rows."""

    kind: ClassVar = "grid"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    facets: Sequence[Facet] = ()
    head: int = 0
    """The column that names the row."""
    searched: bool = False
    """Whether there is a field to filter by text."""
    notes: Sequence[str] = ()


def grid_of(table: Table) -> Grid:
    """A command's table (`report.table`) as it stands on the page."""
    columns = [
        Column(title, numeric=index not in table.left) for index, title in enumerate(table.header)
    ]
    rows = [
        Row(line, first=number == 0) for block in table.blocks for number, line in enumerate(block)
    ]
    return Grid(table.title or "Table", columns, rows, notes=table.notes)


@dataclass(frozen=True)
class Choice:
    """What a reader chooses for a group of figures: a density, a layer."""

    title: str
    values: Sequence[str]
    start: int = 0
    """What is shown at first, and in print unless another is chosen."""


@dataclass(frozen=True)
class Group:
    """Figures that share their legend and what is chosen for them."""

    kind: ClassVar = "group"
    title: str
    """Names the group to those who cannot see it."""
    figures: Sequence[Figure]
    choices: Sequence[Choice] = ()
    note: str = ""
    """How to read it, below."""
    columns: Literal[1, 2, 3] = 1
    """Most figures side by side, where there is space."""


@dataclass(frozen=True)
class Plots:
    """Figures that Optuna made for plotly, which the page only gives its colours."""

    kind: ClassVar = "plots"
    title: str
    """Names them to those who cannot see them."""
    plots: Sequence[Drawn]
    note: str = ""
    """How to read them, below."""
    height: int = 270
    """Pixels of each."""


Part = Prose | Facts | Code | Grid | Group | Plots


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    key: str
    """Its place in links: letters and hyphens."""
    title: str
    parts: Sequence[Part]


def clean(text: object) -> str:
    """A name or value from the database as one line that can steer nothing."""
    return printable(" ".join(str(text).split("\n")))


def clean_lines(text: object) -> str:
    """A text of several lines from the database: each made safe, tabs as spaces."""
    return "\n".join(printable(line) for line in str(text).expandtabs(4).splitlines())
