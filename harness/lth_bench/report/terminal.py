"""Boards on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

from lth_bench.report.printable import printable
from lth_bench.report.table import Board, Line, Style, Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH = 100
"""Columns where the output is no terminal."""

GAP = "  "

LOOKS: dict[Style, str] = {
    "": "", "best": "bold green", "good": "green", "bad": "red", "strong": "bold", "dim": "dim",
    "dense": "cyan", "warn": "yellow",
}  # fmt: skip


def stdout() -> Console:
    """Standard output; without colour and 100 columns wide where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def as_text(board: Board, width: int = PIPED_WIDTH) -> str:
    """The board as plain text, made for `width` columns."""
    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        show(board, console)
    return captured.get()


def show(board: Board, console: Console) -> None:
    """All tables under the headings of their groups, with their notes, and the legend below.

    Cells take their short form where a table is too wide. Lines are made here and not by rich's
    Table, which takes a millisecond a row: 4,000 rows took 5 s, now 0.4 s.
    """
    from rich.text import Text

    group = None
    for table in board.tables:
        if table.group and table.group != group:
            group = table.group
            name = printable(group)
            rule = "─" * max(0, console.width - len(name) - 1)
            console.print(Text.assemble((name, "bold"), " ", (rule, "dim")))
        if table.title:
            console.print(Text(table.title, style="bold cyan"))
        for text in _lines(table, console.width):
            # what does not fit even so is left to the terminal to wrap
            console.print(text, no_wrap=True, overflow="ignore", crop=False)
        for note in table.notes:
            console.print(Text(note, style="yellow"))
        console.print()
    if board.legend:
        console.print(Text(board.legend, style="dim"))


def _lines(table: Table, width: int) -> Iterator[Text]:
    from rich.text import Text

    short = False
    widths = _widths(table, short)
    if _whole(widths) > width:
        short = True
        widths = _widths(table, short)
    if _whole(widths) > width and table.optional:
        table = _without(table, table.optional)
        widths = _widths(table, short)
    yield Text("")
    header = GAP.join(_aligned(table, table.header, widths))
    yield Text(header, style="dim")
    yield Text("─" * len(header), style="dim")
    for number, block in enumerate(table.blocks):
        if number:
            yield Text("")
        for line in block:
            yield _styled(line, _aligned(table, _texts(line, short), widths))
    yield Text("")


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _without(table: Table, columns: frozenset[int]) -> Table:
    """The table without these columns."""
    stay = [i for i in range(len(table.header)) if i not in columns]
    return replace(
        table,
        header=tuple(table.header[i] for i in stay),
        blocks=[[tuple(line[i] for i in stay) for line in block] for block in table.blocks],
        left=frozenset(place for place, i in enumerate(stay) if i in table.left),
        optional=frozenset(),
    )


def _texts(line: Line, short: bool) -> list[str]:
    return [cell.short if short and cell.short is not None else cell.text for cell in line]


def _widths(table: Table, short: bool) -> list[int]:
    texts = [_texts(line, short) for line in table.lines()]
    return [max(map(len, column)) for column in zip(table.header, *texts, strict=True)]


def _aligned(table: Table, texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.ljust(width) if index in table.left else text.rjust(width)
        for index, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]


def _styled(line: Line, texts: Sequence[str]) -> Text:
    from rich.text import Text

    parts: list[str | tuple[str, str]] = []
    for text, cell in zip(texts, line, strict=True):
        part = (text, LOOKS[cell.style])
        parts += [GAP, part] if parts else [part]
    found = Text.assemble(*parts)
    found.rstrip()
    return found
