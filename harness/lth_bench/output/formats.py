"""Boards in the format asked for: the terminal's table, JSON, CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence

from lth_bench.analysis.card import Card, card_data
from lth_bench.analysis.table import Board, Cell, Table
from lth_bench.errors import UserError, suggest
from lth_bench.output import terminal
from lth_bench.store.query import plain
from lth_bench.system.text import printable

FORMATS = ("table", "json", "csv", "markdown", "latex")


def require_board_format(format: str) -> None:
    """UserError for an unknown format, before anything is read."""
    if format not in FORMATS:
        raise UserError(f"unknown format {format!r}{suggest(format, FORMATS)}")


def render_board(board: Board, format: str, width: int = terminal.PIPED_WIDTH) -> str:
    """The board as text that ends with a newline. UserError for an unknown format.

    JSON and CSV hold the raw numbers; the others are for reading, in percent.
    """
    require_board_format(format)
    if format == "json":
        return as_json(board)
    if format == "csv":
        return as_csv(board)
    if format == "markdown":
        return as_markdown(board)
    if format == "latex":
        return as_latex(board)
    return terminal.as_text(board, width)


def print_board(board: Board, format: str, cards: Sequence[Card] = ()) -> None:
    """Print the board to stdout; a table in the terminal's width and colours. Only JSON has the
    cards too.
    """
    require_board_format(format)
    if format == "table":
        terminal.print_tables(board, terminal.stdout())
    elif format == "json":
        sys.stdout.write(as_json(board, cards))
    else:
        sys.stdout.write(render_board(board, format))


def as_json(board: Board, cards: Sequence[Card] = ()) -> str:
    """One object: `{NAME: [row, …], "cards": […]}`, accuracies as fractions; without cards the
    rows alone.
    """
    document: dict[str, object] = {board.name: plain(list(board.rows))}
    if cards:
        document["cards"] = plain([card_data(card) for card in cards])
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def as_csv(board: Board) -> str:
    """Every column of the rows, accuracies as fractions."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if board.rows:
        writer.writerow(board.rows[0])
        writer.writerows(row.values() for row in board.rows)
    return out.getvalue()


def as_markdown(board: Board) -> str:
    """A table each, its notes below."""
    return "\n\n".join(map(_markdown_table, board.tables)) + "\n"


def as_latex(board: Board) -> str:
    r"""A `tabular` each, with booktabs' rules (`\usepackage{booktabs}`)."""
    return "\n\n".join(map(_latex_table, board.tables)) + "\n"


def _heading(table: Table) -> str:
    return printable(": ".join(part for part in (table.group, table.title) if part))


def _markdown_table(table: Table) -> str:
    header = "| " + " | ".join(map(_markdown, table.header)) + " |"
    rule = "|" + "|".join(":---" if i in table.left else "---:" for i in _places(table)) + "|"
    lines = [f"| {' | '.join(map(_markdown_cell, line))} |" for line in table.lines()]
    notes = [part for note in table.notes for part in ("", _markdown(note))]
    return "\n".join([f"### {_markdown(_heading(table))}", "", header, rule, *lines, *notes])


def _latex_table(table: Table) -> str:
    alignment = "".join("l" if i in table.left else "r" for i in _places(table))
    blocks = [
        "\n".join(" & ".join(map(_latex_cell, line)) + r" \\" for line in block)
        for block in table.blocks
    ]
    return "\n".join(
        [
            f"% {_latex(_heading(table))}",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(map(_latex, table.header)) + r" \\",
            r"\midrule",
            "\n\\midrule\n".join(blocks),
            r"\bottomrule",
            r"\end{tabular}",
            *(f"% {_latex(note)}" for note in table.notes),
        ]
    )


def _places(table: Table) -> range:
    return range(len(table.header))


def _markdown_cell(cell: Cell) -> str:
    text = _markdown(cell.text)
    return f"**{text}**" if cell.style == "best" and text.strip() else text


def _markdown(text: str) -> str:
    for character in "\\|*_<>`":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "_": r"\_",
    "&": r"\&", "$": r"\$", "^": r"\^{}", "~": r"$\sim$", "±": r"$\pm$", "−": "$-$",
    "Δ": r"$\Delta$", "·": r"$\cdot$", "└": r"\quad", "–": "--", "≥": r"$\geq$",
    "≤": r"$\leq$", "≈": r"$\approx$", "<": "$<$", ">": "$>$", "×": r"$\times$", "\n": " ",
}  # fmt: skip


def _latex_cell(cell: Cell) -> str:
    text = _latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.style == "best" and text.strip() else text


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)
