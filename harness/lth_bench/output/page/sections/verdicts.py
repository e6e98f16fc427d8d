"""A verdict as a table's cell."""

from __future__ import annotations

from lth_bench.analysis.numbers import percent
from lth_bench.analysis.table import Cell, Style
from lth_bench.stats import Kind, Verdict
from lth_bench.stats.verdict import short_outlook

STYLES: dict[Kind, Style] = {
    "better": "good", "equivalent": "good", "worse": "bad", "failed": "warn",
    "insufficient": "dim", "open": "",
}  # fmt: skip


def verdict_cell(verdict: Verdict | None) -> Cell:
    """The words of a verdict, in its colour; empty where nothing was compared."""
    if verdict is None or (verdict.n == 0 and verdict.kind != "failed"):
        return Cell("")
    return Cell(verdict.text, STYLES[verdict.kind])


def short_cell(verdict: Verdict | None) -> Cell:
    """The same for narrow columns: open ~4–7, equivalent (±0.5)."""
    cell = verdict_cell(verdict)
    text = cell.text
    if verdict is not None and verdict.kind == "open":
        text = f"open {short_outlook(verdict.n, verdict.forecast)}"
    for word in ("within ", " points"):
        text = text.replace(word, "")
    return Cell(text, cell.style)


def detects_cell(verdict: Verdict | None) -> Cell:
    """The true difference that so many seeds show in 4 of 5 cases, in points."""
    size = None if verdict is None else verdict.detectable
    return Cell("" if size is None else percent(size))
