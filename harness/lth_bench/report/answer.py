"""A query's answer in every format."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import IO, Any

from lth_bench.errors import UserError, suggest
from lth_bench.report.printable import printable
from lth_bench.store.query import Answer, plain

FORMATS = ("table", "json", "csv", "markdown")


def require_format(format: str) -> None:
    """UserError for an unknown format, before anything is asked."""
    if format not in FORMATS:
        raise UserError(f"unknown format {format!r}{suggest(format, FORMATS)}")


def show(answer: Answer, format: str, out: IO[str] | None = None, width: int | None = None) -> None:
    """Print an answer to `out` (stdout), wrapped to `width` columns (None: as wide as it gets).

    JSON is one object, `{"columns": […], "rows": [{…}, …]}`. A table that is wider than `width`
    is printed row by row, one value a line. CSV streams; NULL is empty there, and in tables too.
    UserError for an unknown format.
    """
    require_format(format)
    out = out or sys.stdout
    if format == "json":
        rows = [dict(zip(answer.columns, map(plain, row), strict=True)) for row in answer.rows]
        document = {"columns": list(answer.columns), "rows": rows}
        out.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
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


def _table(answer: Answer, out: IO[str], width: int | None) -> None:
    rows = list(answer.rows)
    cells = [[_cell(value) for value in row] for row in rows]
    header = [printable(name) for name in answer.columns]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        _records(header, cells, out)
    else:
        right = [_is_number(row[i] for row in rows) for i in range(len(header))]
        for line in (header, ["─" * w for w in widths], *cells):
            parts = (
                cell.rjust(w) if numeric else cell.ljust(w)
                for cell, w, numeric in zip(line, widths, right, strict=True)
            )
            out.write("  ".join(parts).rstrip() + "\n")
    out.write(f"({len(rows):,} {'row' if len(rows) == 1 else 'rows'})\n")


def _records(header: Sequence[str], cells: Sequence[Sequence[str]], out: IO[str]) -> None:
    space = max(map(len, header))
    for number, row in enumerate(cells, 1):
        out.write(f"─ row {number:,} ".ljust(space + 20, "─") + "\n")
        for name, cell in zip(header, row, strict=True):
            out.write(f"{name.ljust(space)}  {cell}".rstrip() + "\n")


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
