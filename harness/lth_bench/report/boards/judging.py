"""Verdicts in rows: what the differences to the baseline allow one to say, in a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lth_bench.report.boards.baseline import Baselines
from lth_bench.report.boards.rows import Row, versus
from lth_bench.report.table import Cell, Style

NO_VERDICT: Mapping[str, Any] = dict.fromkeys(
    ("verdict", "verdict_text", "p", "within_margin", "detectable", "needed")
)

STYLES: dict[str, Style] = {"better": "good", "worse": "bad", "failed": "warn"}

SHORT = 8
"""Characters of a label that a verdict has room for."""


def judged(
    n: int, mean: float | None, deviation: float | None, margin: float, lost: int, planned: int,
    **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """The verdict on `n` paired differences as columns of a row; `options` as of `stats.judge`.

    `lost` are the seeds that the method failed or diverged at. Nothing to judge, as where all
    seeds are still to come, gives None throughout.
    """
    from lth_bench.stats import Summary, judge

    if not lost and (not n or mean is None):
        return dict(NO_VERDICT)
    summary = None if not n or mean is None else Summary(n, mean, deviation if n > 1 else None)
    found = judge(summary, margin, lost=lost, planned=planned, **options)
    return {
        "verdict": found.kind, "verdict_text": found.text, "p": found.p,
        "within_margin": found.within, "detectable": found.detectable, "needed": found.needed,
    }  # fmt: skip


def with_verdict(row: Row, against: Baselines, margin: float, **options: Any) -> Row:
    """The row with its baseline and verdict, from its columns `difference*`, and no `key`.

    The baseline is not compared with itself.
    """
    row = {key: value for key, value in row.items() if key != "key"}
    row |= {"baseline": against.name(row["suite"]), "margin": margin}
    if against.has(row):
        row |= dict.fromkeys(("difference", "difference_low", "difference_high"))
        return row | {"difference_n": 0, "difference_deviation": None, **NO_VERDICT}
    return row | judged(
        row["difference_n"], row["difference"], row["difference_deviation"], margin,
        row["lost"], row["planned"], **options,
    )  # fmt: skip


@dataclass(frozen=True)
class Words:
    """How a board words its verdicts."""

    margin: str
    """As it is read, without its unit: 0.5."""
    unit: str
    """What follows it: " points"."""
    better: str = "better"
    worse: str = "worse"

    def cell(self, row: Row) -> Cell:
        """A row's verdict, in ten characters."""
        from lth_bench.stats.verdict import LEAST, MOST

        kind, needed, against = row["verdict"], row["needed"], versus(row)
        if kind is None:
            return Cell("")
        if kind == "failed":
            text = f"{row['lost']} failed"
        elif kind == "equivalent":
            text = f"≈ {against}" if len(against) <= SHORT else "≈ equal"
        elif kind == "undecided":
            text = "undecided"
        elif kind == "insufficient" and (row["difference_deviation"] is None or needed == LEAST):
            text = f"needs {LEAST}+"
        elif kind == "insufficient":
            text = f"needs >{MOST}" if needed is None else f"needs ~{needed}"
        else:
            text = self.better if kind == "better" else self.worse
            text += f" <{self.margin}" if row["within_margin"] else ""
        style = "dim" if row["control"] != "none" else STYLES.get(kind, "")
        return Cell(text, style, short=text.removeprefix("needs ").split(" <")[0])

    def legend(self, against: str) -> str:
        """What they mean."""
        return (
            f"verdict, from the differences to {against}: {self.better} or {self.worse} where a "
            f"paired t-test shows it at 95% (<{self.margin}: though by less than the margin of "
            f"{self.margin}{self.unit}); ≈ where the difference is shown to lie within the "
            f"margin; needs ~8 (where space is short: ~8): too few seeds to find a difference as "
            f"small as the margin, about 8 would do; undecided: enough seeds, and no difference "
            f"found. Each row stands by itself: of 20 true ties one is called {self.better} or "
            f"{self.worse}."
        )
