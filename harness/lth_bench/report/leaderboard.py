"""The leaderboard in every format."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lth_bench.errors import UserError, suggest
from lth_bench.report import formats, terminal
from lth_bench.report.rows import Row, rows
from lth_bench.report.sheet import sheets
from lth_bench.store.paths import Paths
from lth_bench.store.reading import reading, to_stderr

__all__ = ["FORMATS", "print_leaderboard", "render", "require_format", "rows", "show"]

FORMATS = ("table", "json", "csv", "markdown", "latex")


def render(rows: Sequence[Row], format: str, width: int = terminal.PIPED_WIDTH) -> str:
    """The rows as text that ends with a newline. UserError for an unknown format.

    JSON and CSV hold the raw numbers; the others are for reading, in percent.
    """
    if format == "json":
        return formats.as_json(rows)
    if format == "csv":
        return formats.as_csv(rows)
    if format == "markdown":
        return formats.as_markdown(sheets(rows))
    if format == "latex":
        return formats.as_latex(sheets(rows))
    if format == "table":
        return terminal.as_text(sheets(rows), width)
    raise _unknown(format)


def require_format(format: str) -> None:
    """UserError for an unknown format, before anything is read."""
    if format not in FORMATS:
        raise _unknown(format)


def show(rows: Sequence[Row], format: str) -> None:
    """Print the rows to stdout; a table in the terminal's width and colours."""
    if format != "table":
        sys.stdout.write(render(rows, format))
        return
    terminal.show(sheets(rows), terminal.stdout())


def print_leaderboard(paths: Paths, suite: str | None = None) -> None:
    """The leaderboard of a suite (or of all) as a table on stdout, as a run ends with it."""
    with reading(paths.results, to_stderr) as con:
        show(rows(con, suites=[suite] if suite else ()), "table")


def _unknown(format: str) -> UserError:
    return UserError(f"unknown format {format!r}{suggest(format, FORMATS)}")
