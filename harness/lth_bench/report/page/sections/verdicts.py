"""A verdict as a table's cell."""

from __future__ import annotations

from lth_bench.report.table import Cell, Style
from lth_bench.stats import Kind, Verdict

STYLES: dict[Kind, Style] = {
    "better": "good", "equivalent": "good", "worse": "bad", "failed": "warn",
    "insufficient": "dim", "undecided": "",
}  # fmt: skip


def verdict_cell(verdict: Verdict | None) -> Cell:
    """The words of a verdict, in its colour; empty where nothing was compared."""
    if verdict is None or (verdict.n == 0 and verdict.kind != "failed"):
        return Cell("")
    return Cell(verdict.text, STYLES[verdict.kind])


def short_cell(verdict: Verdict | None) -> Cell:
    """The same for narrow columns with n beside it: insufficient (needs 8), equivalent (±0.5)."""
    cell = verdict_cell(verdict)
    text = cell.text
    if verdict is not None:
        text = text.replace(f" seeds (n={verdict.n}, ", " (")
        for word in ("about ", "within ", " points"):
            text = text.replace(word, "")
    return Cell(text, cell.style)
