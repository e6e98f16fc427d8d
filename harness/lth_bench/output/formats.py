"""Boards for programs and papers: JSON, CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
import json

from lth_bench.analysis.table import Board, Cell, Table
from lth_bench.store.query import plain
from lth_bench.system.printable import printable


def as_json(board: Board) -> str:
    """One object: `{NAME: [row, …]}`, accuracies as fractions."""
    return json.dumps({board.name: plain(list(board.rows))}, indent=2, allow_nan=False) + "\n"


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
