"""The leaderboard on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from lth_bench.report.printable import printable
from lth_bench.report.sheet import HEADER, LEGEND, Line, Sheet

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH = 100
"""Columns where the output is no terminal."""

GAP = "  "
LEFT = HEADER.index("strategy")
"""The one column that is aligned to the left."""


def stdout() -> Console:
    """Standard output; without colour and 100 columns wide where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def as_text(sheets: Sequence[Sheet], width: int = PIPED_WIDTH) -> str:
    """The leaderboard as plain text, made for `width` columns."""
    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        show(sheets, console)
    return captured.get()


def show(sheets: Sequence[Sheet], console: Console) -> None:
    """All sheets under the headings of their suites, notes and legend below.

    Differences come with their intervals where the console is wide enough. Lines are made here
    and not by rich's Table, which takes a millisecond a row: 4,000 rows took 5 s, now 0.4 s.
    """
    from rich.text import Text

    suite = None
    for sheet in sheets:
        if sheet.suite != suite:
            suite = sheet.suite
            name = printable(suite)
            rule = "─" * max(0, console.width - len(name) - 1)
            console.print(Text.assemble((name, "bold"), " ", (rule, "dim")))
        console.print(Text(sheet.title, style="bold cyan"))
        for text in _lines(sheet, console.width):
            # what does not fit even so is left to the terminal to wrap
            console.print(text, no_wrap=True, overflow="ignore", crop=False)
        for note in sheet.notes:
            console.print(Text(note, style="yellow"))
        console.print()
    console.print(Text(LEGEND, style="dim"))


def _lines(sheet: Sheet, width: int) -> Iterator[Text]:
    from rich.text import Text

    widths = _widths(sheet, intervals=True)
    intervals = sum(widths) + len(GAP) * (len(widths) - 1) <= width
    if not intervals:
        widths = _widths(sheet, intervals=False)
    yield Text("")
    header = GAP.join(_aligned(HEADER, widths))
    yield Text(header, style="dim")
    yield Text("─" * len(header), style="dim")
    for number, block in enumerate(sheet.blocks):
        if number:
            yield Text("")
        for line in block:
            yield _styled(line, _aligned(line.cells(intervals), widths))
    yield Text("")


def _widths(sheet: Sheet, intervals: bool) -> list[int]:
    cells = [line.cells(intervals) for block in sheet.blocks for line in block]
    return [max(map(len, column)) for column in zip(HEADER, *cells, strict=True)]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if index == LEFT else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def _styled(line: Line, cells: Sequence[str]) -> Text:
    from rich.text import Text

    whole = {"control": "dim", "dense": "cyan", "ranked": ""}[line.kind]
    styles = ["bold", *[whole] * (len(cells) - 1)]
    if line.best:
        styles[1:4] = ["bold green"] * 3
    if line.missing:
        styles[3] = "yellow"
    if line.sign and line.kind != "control":
        styles[4] = "green" if line.sign > 0 else "red"
    parts: list[str | tuple[str, str]] = []
    for cell, style in zip(cells, styles, strict=True):
        parts += [GAP, (cell, style)] if parts else [(cell, style)]
    text = Text.assemble(*parts)
    text.rstrip()
    return text
