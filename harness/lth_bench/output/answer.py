"""A query's answer in every format."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import chain, islice, repeat
from typing import IO, Any

from lth_bench.errors import UserError, suggest
from lth_bench.store.query import Answer, plain
from lth_bench.system.streams import spelled
from lth_bench.system.text import aligned, columns_of, printable

ANSWER_FORMATS = ("table", "json", "csv", "markdown")
BLOCK = 10_000
"""Rows of a table that are held at a time; each block's columns are as wide as the widest so far.
"""


def require_answer_format(format: str) -> None:
    """UserError for an unknown format, before anything is asked."""
    if format not in ANSWER_FORMATS:
        raise UserError(f"unknown format {format!r}{suggest(format, ANSWER_FORMATS)}")


def print_answer(
    answer: Answer, format: str, out: IO[str] | None = None, width: int | None = None
) -> None:
    """Print an answer to `out` (stdout), wrapped to `width` columns (None: as wide as it gets).

    JSON is one object, `{"columns": […], "rows": [{…}, …]}`. A table that is wider than `width`
    is printed row by row, one value a line. Rows are fetched and printed in blocks, however many
    there are. NULL is empty in CSV, and in tables too. UserError for an unknown format.
    """
    require_answer_format(format)
    out = out or sys.stdout
    if format == "json":
        _json(answer, out)
    elif format == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_text(value) for value in row] for row in answer.rows)
    elif format == "markdown":
        lines = chain(
            [answer.columns, repeat("---", len(answer.columns))],
            ([_text(value) for value in row] for row in answer.rows),
        )
        for line in lines:
            out.write("| " + " | ".join(_escaped(cell) for cell in line) + " |\n")
    else:
        _table(answer, out, width)


def _json(answer: Answer, out: IO[str]) -> None:
    columns = json.dumps(answer.columns, indent=2).replace("\n", "\n  ")
    out.write(f'{{\n  "columns": {columns},\n  "rows": [')
    between = ""
    for row in answer.rows:
        values = dict(zip(answer.columns, map(plain, row), strict=True))
        shown = json.dumps(values, indent=2, allow_nan=False).replace("\n", "\n    ")
        out.write(f"{between}\n    {shown}")
        between = ","
    out.write("\n  ]\n}\n" if between else "]\n}\n")


def _table(answer: Answer, out: IO[str], width: int | None) -> None:
    encoding = getattr(out, "encoding", None) or "utf-8"  # a StringIO has none
    header = [spelled(printable(name), encoding) for name in answer.columns]
    widths = list(map(columns_of, header))
    total, rows = 0, iter(answer.rows)
    while (block := list(islice(rows, BLOCK))) or not total:
        cells = [[spelled(_cell(value), encoding) for value in row] for row in block]
        columns = zip(widths, *([columns_of(cell) for cell in row] for row in cells), strict=True)
        widths = [max(column) for column in columns]
        if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
            _records(header, cells, total, out)
        else:
            right = [_is_number(row[i] for row in block) for i in range(len(header))]
            for line in (*(() if total else (header, ["─" * w for w in widths])), *cells):
                shown = map(aligned, line, widths, right)
                out.write("  ".join(shown).rstrip() + "\n")
        total += len(block)
        if not block:
            break
    out.write(f"({total:,} {'row' if total == 1 else 'rows'})\n")


def _records(
    header: Sequence[str], cells: Sequence[Sequence[str]], before: int, out: IO[str]
) -> None:
    space = max(map(columns_of, header))
    for number, row in enumerate(cells, before + 1):
        out.write(f"─ row {number:,} ".ljust(space + 20, "─") + "\n")
        for name, cell in zip(header, row, strict=True):
            out.write(f"{aligned(name, space)}  {cell}".rstrip() + "\n")


def _is_number(values: Iterable[Any]) -> bool:
    known = [v for v in values if v is not None]
    return bool(known) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in known
    )


def _cell(value: Any) -> str:
    """For a person: six significant digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(_text(value).replace("\n", " "))


def _text(value: Any) -> str:
    """For a program: every digit; NULL empty; lists and structs as JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def _escaped(cell: str) -> str:
    return printable(cell.replace("\n", " ")).replace("\\", "\\\\").replace("|", "\\|")
