"""Tables on terminals of any width, whose words and numbers stay whole."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from lth_bench.system.streams import spelled
from lth_bench.system.text import columns_of, packed

MOST = 10_000
"""Columns that a table may take where no terminal limits it."""


class Uncropped(Console):
    """A console that cuts nothing off: what is wider than a pipe's width was meant to be."""

    def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
        super().print(*objects, crop=crop, **options)


class Columns(Table):
    """A table that breaks lines between words only. Where a terminal has no room even for each
    column's longest word, every row becomes a few lines of `heading: text`.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not options.encoding.startswith("utf"):
            for column in self.columns:
                column.header = _spelled(console, column.header, options.encoding)
                column._cells = [_spelled(console, c, options.encoding) for c in column._cells]
        wide = options.update(max_width=MOST)
        sizes = [self._size(console, wide, column) for column in self.columns]
        whole = Measurement.get(console, wide, self).maximum
        borders = whole - sum(size.maximum for size in sizes)
        room = options.max_width - borders
        if sum(size.minimum for size in sizes) > room:
            if console.is_terminal:
                yield from self._records(console, options.max_width)
                return
            room = sum(size.minimum for size in sizes)
            options = options.update(max_width=room + borders)
        for column, width in zip(self.columns, _shared(sizes, room), strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    @staticmethod
    def _size(console: Console, options: ConsoleOptions, column: Column) -> Measurement:
        """The longest word, and the longest line, of a column and its heading."""
        cells = (column.header, *column._cells)
        found = [Measurement.get(console, options, cell) for cell in cells]
        low = max(size.minimum for size in found)
        high = max(size.maximum for size in found)
        return Measurement(high if column.no_wrap else low, high)

    def _records(self, console: Console, width: int) -> RenderResult:
        if self.title:
            yield Text.assemble(_text(console, self.title))
        heads = [_text(console, column.header).plain for column in self.columns]
        for row in zip(*(column._cells for column in self.columns), strict=True):
            first, *rest = (_text(console, cell) for cell in row)
            for line in _wrapped(first.plain.strip(), width):
                yield _whole(Text(line, style=first.style))
            named = zip(heads[1:], (cell.plain for cell in rest), strict=True)
            for line in records(named, width):
                yield _whole(Text(line))
        yield Segment.line()


def records(named: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """`heading: text` of one row, as many to a line as fit, and long ones broken between words."""
    parts = []
    for name, text in named:
        lines = text.strip().splitlines()
        if lines:
            parts.append([f"{name}: {lines[0]}" if name else lines[0], *lines[1:]])
    short = [part[0] for part in parts if len(part) == 1 and columns_of(part[0]) <= width - 2]
    yield from packed(short, width)
    for part in parts:
        if len(part) > 1 or columns_of(part[0]) > width - 2:
            for line in part:
                yield from _wrapped(line, width, "  ", "    ")


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(*headings: str) -> Columns:
    """An empty table in the style of all commands."""
    return Columns(*headings, box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)


def _shared(sizes: Sequence[Measurement], room: int) -> list[int]:
    """Each column's width: what it wants, up to a limit that all share, and what it needs."""
    low, high = 0, max((size.maximum for size in sizes), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(s.maximum, max(s.minimum, middle)) for s in sizes) <= room:
            low = middle
        else:
            high = middle - 1
    return [min(s.maximum, max(s.minimum, low)) for s in sizes]


def _text(console: Console, cell: object) -> Text:
    if isinstance(cell, Text):
        return cell.copy()
    assert isinstance(cell, str)
    return console.render_str(cell)


def _whole(text: Text) -> Text:
    """A text whose long words are left to the terminal, so that a path can still be copied."""
    text.overflow = "ignore"
    return text


def _spelled(console: Console, cell: object, encoding: str) -> Text:
    text = _text(console, cell)
    if spelled(text.plain, encoding) == text.plain:
        return text
    return Text(spelled(text.plain, encoding), style=text.style)
