"""Print boards on a terminal, as aligned tables."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.output.fitting import SIGN, stacked, without
from lth_bench.system.streams import spelled
from lth_bench.system.text import aligned, columns_of, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH = 100
"""Width in columns where the output is not a terminal."""

PROSE_WIDTH = 80
"""Columns of a table with a column of sentences, at most."""
LEAST_PROSE = 30
"""Columns for which a sentence is not broken over lines; a table that leaves fewer is too wide."""

GAP = "  "

RICH_STYLES: dict[Style, str] = {
    "": "", "best": "bold green", "good": "green", "bad": "red", "strong": "bold", "dim": "dim",
    "dense": "cyan", "warn": "yellow",
}  # fmt: skip


def stdout() -> Console:
    """Standard output; if not a terminal, without colour and `PIPED_WIDTH` columns wide."""
    from lth_bench.output.columns import Uncropped

    return Uncropped(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def as_text(board: Board, width: int = PIPED_WIDTH) -> str:
    """The board as plain text, laid out for `width` columns."""
    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        print_tables(board, console)
    return captured.get()


def print_tables(board: Board, console: Console) -> None:
    """Print all tables with headings and notes, then the legend.

    Where a table is too wide, cells use their short form. Lines are formatted here and not by
    rich's Table, which takes a millisecond per row: 5 s for 4,000 rows instead of 0.4 s.
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
        narrow = console.width if console.is_terminal else None
        sign = spelled(SIGN, console.encoding)
        for text in _lines(_encodable(table, console.encoding), console.width, narrow, sign):
            console.print(text, no_wrap=True, overflow="ignore", crop=False)
        for note in table.notes:
            console.print(Text(note, style="yellow"))
        console.print()
    if board.legend:
        console.print(Text(board.legend, style="dim"))


def _encodable(table: Table, encoding: str) -> Table:
    """The table with what `encoding` lacks spelled out, so that columns stay aligned there."""
    if encoding.startswith("utf"):
        return table

    def cell(cell: Cell) -> Cell:
        short = None if cell.short is None else spelled(cell.short, encoding)
        return Cell(spelled(cell.text, encoding), cell.style, short)

    return replace(
        table,
        header=tuple(spelled(name, encoding) for name in table.header),
        blocks=[[tuple(map(cell, line)) for line in block] for block in table.blocks],
    )


def _lines(table: Table, width: int, narrow: int | None, sign: str) -> Iterator[Text]:
    """The lines of a table for `width` columns: in full if it fits, with its columns for wide
    terminals or without, otherwise with second intervals below the first ones, then with short
    cells, then without as many of its optional columns as it takes, the rightmost first, and at
    last with the intervals below the means. If it is still wider than a terminal of `narrow`
    columns, each row is printed as several lines (None: not a terminal, where long lines are fine).
    `sign` is how the table writes ±.
    """
    from rich.text import Text

    short = False
    if _total(_widths(table, short)) > width and table.wide:
        table = without(table, table.wide)
    shown, heads = table, [table.header]
    if _total(_widths(table, short)) > width:
        shown, heads = stacked(table, split=False, sign=sign)
        short = _total(_widths(shown, short, heads)) > width
    for column in sorted(table.optional, reverse=True):
        if _total(_widths(shown, short, heads)) > width:
            table = without(table, frozenset({column}))
            shown, heads = stacked(table, split=False, sign=sign)
    if _total(_widths(shown, short, heads)) > width:
        shown, heads = stacked(table, split=True, sign=sign)
    if shown.prose is not None:
        total, own = _total(_widths(shown, short, heads)), _widths(shown, short, heads)[shown.prose]
        room = min(width, PROSE_WIDTH) - total + own
        if LEAST_PROSE <= room < own:
            shown = _broken(shown, shown.prose, room, short)
    widths = _widths(shown, short, heads)
    yield Text("")
    if narrow is not None and _total(widths) > narrow:
        yield from _records(table, narrow)
        yield Text("")
        return
    rule = 0
    for head in heads:
        header = GAP.join(_aligned(shown, head, widths))
        rule = max(rule, columns_of(header))
        yield Text(header, style="dim")
    yield Text("─" * rule, style="dim")
    for number, block in enumerate(shown.blocks):
        if number:
            yield Text("")
        for line in block:
            yield _styled(line, _aligned(shown, _texts(line, short), widths))
    yield Text("")


def _broken(table: Table, column: int, width: int, short: bool) -> Table:
    """The table with the texts of a column broken between words, each part on a line of its own."""
    blocks = []
    for block in table.blocks:
        lines: list[Line] = []
        for line in block:
            text = _texts(line, short)[column]
            parts = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
            for number, part in enumerate(parts):
                rest = line if number == 0 else (Cell(""),) * len(line)
                whole = Cell(part, line[column].style)
                lines.append((*rest[:column], whole, *rest[column + 1 :]))
        blocks.append(lines)
    return replace(table, blocks=blocks)


def _records(table: Table, width: int) -> Iterator[Text]:
    """Each row as several lines: its first cell as a heading, which the rows below share if their
    first cell is empty, then each other cell after the name of its column.
    """
    from rich.text import Text

    from lth_bench.output.columns import records

    for line in table.lines():
        first, *rest = _texts(line, short=True)
        if first.strip():
            head = f"{table.header[0]} {first.strip()}"
            yield Text(head.strip(), style=RICH_STYLES[line[0].style] or "bold")
        for text in records(zip(table.header[1:], rest, strict=True), width):
            yield Text(text)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _texts(line: Line, short: bool) -> list[str]:
    return [cell.short if short and cell.short is not None else cell.text for cell in line]


def _widths(table: Table, short: bool, heads: Sequence[tuple[str, ...]] | None = None) -> list[int]:
    texts = [_texts(line, short) for line in table.lines()]
    rows = zip(*(heads or [table.header]), *texts, strict=True)
    return [max(map(columns_of, column)) for column in rows]


def _aligned(table: Table, texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        aligned(text, width, right=index not in table.left)
        for index, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]


def _styled(line: Line, texts: Sequence[str]) -> Text:
    from rich.text import Text

    parts: list[str | tuple[str, str]] = []
    for text, cell in zip(texts, line, strict=True):
        part = (text, RICH_STYLES[cell.style])
        parts += [GAP, part] if parts else [part]
    found = Text.assemble(*parts)
    found.rstrip()
    return found
