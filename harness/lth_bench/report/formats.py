"""The leaderboard for programs and papers: JSON, CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from lth_bench.report.printable import printable
from lth_bench.report.rows import Row
from lth_bench.report.sheet import HEADER, Line, Sheet
from lth_bench.store.query import plain


def as_json(rows: Sequence[Row]) -> str:
    """One object: `{"leaderboard": [row, …]}`, accuracies as fractions."""
    return json.dumps({"leaderboard": plain(rows)}, indent=2, allow_nan=False) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """Every column of the view, accuracies as fractions."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
    return out.getvalue()


def as_markdown(sheets: Sequence[Sheet]) -> str:
    """A table a task."""
    parts = []
    for sheet in sheets:
        header = "| " + " | ".join(HEADER) + " |"
        rule = "|" + "|".join(":---" if name == "strategy" else "---:" for name in HEADER) + "|"
        lines = [f"| {' | '.join(map(_markdown, _cells(x)))} |" for b in sheet.blocks for x in b]
        title = _markdown(printable(f"{sheet.suite}: {sheet.title}"))
        parts.append("\n".join([f"### {title}", "", header, rule, *lines]))
    return "\n\n".join(parts) + "\n"


def as_latex(sheets: Sequence[Sheet]) -> str:
    r"""A `tabular` a task, with booktabs' rules (`\usepackage{booktabs}`)."""
    parts = []
    for sheet in sheets:
        title = _latex(printable(f"{sheet.suite}: {sheet.title}"))
        blocks = [
            "\n".join(" & ".join(map(_latex, _cells(line))) + r" \\" for line in block)
            for block in sheet.blocks
        ]
        alignment = "".join("l" if name == "strategy" else "r" for name in HEADER)
        parts.append(
            "\n".join(
                [
                    f"% {title}",
                    rf"\begin{{tabular}}{{{alignment}}}",
                    r"\toprule",
                    " & ".join(map(_latex, HEADER)) + r" \\",
                    r"\midrule",
                    "\n\\midrule\n".join(blocks),
                    r"\bottomrule",
                    r"\end{tabular}",
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def _cells(line: Line) -> tuple[str, ...]:
    cells = list(line.cells())
    if line.best:
        cells[2] = f"**{cells[2]}**"
    return tuple(cells)


def _markdown(text: str) -> str:
    bold = text.startswith("**") and text.endswith("**") and len(text) > 4
    inner = text[2:-2] if bold else text
    for character in "\\|*_<>`":
        inner = inner.replace(character, "\\" + character)
    inner = inner.replace("\n", " ")
    return f"**{inner}**" if bold else inner


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "_": r"\_",
    "&": r"\&", "$": r"\$", "^": r"\^{}", "~": r"\~{}", "±": r"$\pm$", "−": "$-$",
    "Δ": r"$\Delta$", "·": r"$\cdot$", "└": r"\quad", "–": "--", "\n": " ",
}  # fmt: skip


def _latex(text: str) -> str:
    bold = text.startswith("**") and text.endswith("**") and len(text) > 4
    inner = "".join(_LATEX.get(c, c) for c in (text[2:-2] if bold else text))
    return rf"\textbf{{{inner}}}" if bold else inner
