"""Tables that need fewer columns: some left out, or intervals below what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.table import Cell, Line, Table

SIGN = "±"
NONE = ("", "–")
"""What stands in a cell without a value."""


def stacked(table: Table, *, split: bool, sign: str = SIGN) -> tuple[Table, list[tuple[str, ...]]]:
    """The table with its second intervals below the first ones, and the lines of its header.

    With `split` the half-widths of the first ones stand below their means too. `sign` is how the
    table writes ±. A table without such columns is as it was.
    """
    column = table.interval
    if column is None:
        return table, [table.header]
    second = table.second
    blocks = []
    for block in table.blocks:
        lines: list[Line] = []
        for line in block:
            mean, there, half = line[column].text.partition(f" {sign} ")
            parts = [mean, f"{sign} {half}"] if split and there else [line[column].text]
            if second is not None and line[second].text not in NONE:
                parts.append(f"{sign} {line[second].text}")
            for number, part in enumerate(parts):
                rest = line if number == 0 else (Cell(""),) * len(line)
                cell = Cell(part, line[column].style)
                lines.append((*rest[:column], cell, *rest[column + 1 :]))
        blocks.append(lines)
    table = replace(table, blocks=blocks)
    heads = [table.header]
    if second is not None:
        below = ["" for _ in table.header]
        below[column] = table.header[second]
        del below[second]
        table = without(table, frozenset({second}))
        heads = [table.header, tuple(below)]
    return table, heads


def without(table: Table, columns: frozenset[int]) -> Table:
    """The table without these columns."""
    stay = [i for i in range(len(table.header)) if i not in columns]
    return replace(
        table,
        header=tuple(table.header[i] for i in stay),
        blocks=[[tuple(line[i] for i in stay) for line in block] for block in table.blocks],
        left=_moved(table.left, stay),
        optional=_moved(table.optional, stay),
        prose=_place(table.prose, stay),
        wide=_moved(table.wide, stay),
        interval=_place(table.interval, stay),
        second=_place(table.second, stay),
    )


def _moved(columns: frozenset[int], stay: Sequence[int]) -> frozenset[int]:
    """Where these columns are among those that stay."""
    return frozenset(place for place, i in enumerate(stay) if i in columns)


def _place(column: int | None, stay: Sequence[int]) -> int | None:
    return stay.index(column) if column in stay else None
