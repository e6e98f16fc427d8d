"""The leaderboard on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

from lth_bench.report.printable import printable
from lth_bench.report.sheet import HEADER, LEGEND, Line, Sheet

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

PIPED_WIDTH = 100
"""Columns where the output is no terminal."""


def stdout() -> Console:
    """Standard output; without colour and 100 columns wide where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def as_text(sheets: Sequence[Sheet], width: int = PIPED_WIDTH) -> str:
    """The leaderboard as plain text of at most `width` columns."""
    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(leaderboard(sheets, console))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def leaderboard(sheets: Sequence[Sheet], console: Console) -> Group:
    """All sheets under the headings of their suites, notes and legend below.

    Differences come with their intervals where the console is wide enough.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.rule import Rule
    from rich.text import Text

    parts: list[Rule | Table | Text | Padding] = []
    suite = None
    for sheet in sheets:
        if sheet.suite != suite:
            suite = sheet.suite
            parts.append(Rule(Text(printable(suite), style="bold"), align="left", style="dim"))
        wide = _table(sheet, intervals=True)
        fits = console.measure(wide).maximum < console.width  # measured up to the width
        parts.append(wide if fits else _table(sheet, intervals=False))
        parts += [Text(note, style="yellow") for note in sheet.notes]
        parts.append(Text(""))
    parts.append(Text(LEGEND, style="dim"))
    return Group(*parts)


def _table(sheet: Sheet, intervals: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(sheet.title, style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in HEADER:
        left = name == "strategy"
        table.add_column(
            name, justify="left" if left else "right", overflow="fold", no_wrap=not left
        )
    for number, block in enumerate(sheet.blocks):
        if number:
            table.add_section()
        for line in block:
            table.add_row(*_styled(line, intervals))
    return table


def _styled(line: Line, intervals: bool) -> list[Text]:
    from rich.text import Text

    whole = {"control": "dim", "dense": "cyan", "ranked": ""}[line.kind]
    cells = [Text(cell, style=whole) for cell in line.cells(intervals)]
    cells[0].stylize("bold not dim")
    if line.best:
        for cell in cells[1:4]:
            cell.stylize("bold green")
    if line.missing:
        cells[3].stylize("yellow")
    if line.sign and line.kind != "control":
        cells[4].stylize("green" if line.sign > 0 else "red")
    return cells
