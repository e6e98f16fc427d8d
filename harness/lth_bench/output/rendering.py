"""A board in the format asked for."""

from __future__ import annotations

import sys

from lth_bench.analysis.table import Board
from lth_bench.errors import UserError, suggest
from lth_bench.output import formats, terminal

FORMATS = ("table", "json", "csv", "markdown", "latex")


def require_format(format: str) -> None:
    """UserError for an unknown format, before anything is read."""
    if format not in FORMATS:
        raise UserError(f"unknown format {format!r}{suggest(format, FORMATS)}")


def render(board: Board, format: str, width: int = terminal.PIPED_WIDTH) -> str:
    """The board as text that ends with a newline. UserError for an unknown format.

    JSON and CSV hold the raw numbers; the others are for reading, in percent.
    """
    require_format(format)
    if format == "json":
        return formats.as_json(board)
    if format == "csv":
        return formats.as_csv(board)
    if format == "markdown":
        return formats.as_markdown(board)
    if format == "latex":
        return formats.as_latex(board)
    return terminal.as_text(board, width)


def show(board: Board, format: str) -> None:
    """Print the board to stdout; a table in the terminal's width and colours."""
    require_format(format)
    if format == "table":
        terminal.show(board, terminal.stdout())
    else:
        sys.stdout.write(render(board, format))
