"""Verdicts in rows: what the differences to the baseline allow one to say, in a word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import BoardRow, versus, without_result
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.table import Cell, Style
from lth_bench.store.metric import ON_TEST_EXAMPLES
from lth_bench.system.text import printable

NO_VERDICT: Mapping[str, Any] = dict.fromkeys(
    ("verdict", "verdict_text", "p", "within_margin", "detectable", "n50", "n80")
)

STYLES: dict[str, Style] = {"better": "good", "worse": "bad", "failed": "warn"}

SHORT = 8
"""Characters of a label that a verdict has room for."""
IN_WORDS = 18
"""Characters of a verdict in words."""


def judged(
    n: int, mean: float | None, deviation: float | None, *, margin: float, lost: int, planned: int,
    **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """The verdict on `n` paired differences as columns of a row; `options` as of `stats.judge`.

    `lost` are the seeds that the method failed or diverged at. `n50` and `n80` are the seeds by
    which an open verdict is likely to be settled, in one and in four of five cases; None for more
    than 100. Nothing to judge, as where all seeds are still to come, gives None throughout.
    """
    from lth_bench.stats import Summary, judge

    if not lost and (not n or mean is None):
        return dict(NO_VERDICT)
    summary = None if not n or mean is None else Summary(n, mean, deviation if n > 1 else None)
    found = judge(summary, margin, lost=lost, planned=planned, **options)
    ahead = found.forecast
    return {
        "verdict": found.kind, "verdict_text": found.text, "p": found.p,
        "within_margin": found.within, "detectable": found.detectable,
        "n50": ahead and ahead.n50, "n80": ahead and ahead.n80,
    }  # fmt: skip


def with_verdict(
    row: BoardRow, against: Baselines, margin: float | None, measure: Measure = ACCURACY
) -> BoardRow:
    """The row with its baseline and verdict on the metric, from its columns `difference*`.

    `margin` is as in `Measure.margin`, relative to the baseline's mean where it is relative; the
    column has the unit of the values. Without the columns `key` and `base_mean`. The baseline is
    not compared with itself.
    """
    row = dict(row)
    signs = row.get("signs")
    own = against.margin_of(row["suite"], margin, measure)
    size = measure.margin(own, row.pop("base_mean", None) or 0.0)
    row = judged_row(
        row, against, size, step=step_of(measure)(row), higher=measure.higher,
        unit=measure.difference_unit, signs=signs,
    )  # fmt: skip
    return row | named_by(measure)


def named_by(measure: Measure) -> dict[str, Any]:
    """What every row says of its metric."""
    return {"metric": measure.name, "higher_is_better": measure.higher}


def judged_row(row: BoardRow, against: Baselines, margin: float, **options: Any) -> BoardRow:
    """The same for a margin in the unit of the differences; `options` as of `stats.judge`."""
    row = {key: value for key, value in row.items() if key != "key"}
    row |= {"baseline": against.name(row["suite"]), "margin": margin}
    if against.has(row):
        row |= dict.fromkeys(("difference", "difference_low", "difference_high"))
        return row | {"difference_n": 0, "difference_deviation": None, **NO_VERDICT}
    level = against.level(row["suite"], ordered=options.get("signs") is not None)
    return row | judged(
        row["difference_n"], row["difference"], row["difference_deviation"], margin=margin,
        lost=row["lost"], planned=row["planned"], level=level, **options,
    )  # fmt: skip


def step_of(measure: Measure) -> Callable[[BoardRow], float]:
    """The distance of two values of a row: of accuracies on the test split 1 / the number of its
    examples; 0 where it is not known, and of all other metrics.
    """
    if measure.name not in ON_TEST_EXAMPLES:
        return lambda row: 0.0
    return lambda row: 1 / row["test_examples"] if row.get("test_examples") else 0.0


def stopped(row: BoardRow) -> str:
    """Where a row's seeds stopped, for a narrow cell: `5/30`."""
    return f"{row['decided_at']}/{row['max_seeds']}"


def _beside(row: BoardRow) -> bool:
    """Whether the seeds of a row were added by another metric than its own."""
    return row.get("stop") == "other metric"


def adaptive_legend(rows: Iterable[BoardRow]) -> str:
    """What verdicts mean where seeds were added until decided; empty where none were."""
    from lth_bench.stats.verdict import NO_PAIR

    added = [row for row in rows if row.get("max_seeds") is not None]
    beside = ""
    if named := ", ".join(dict.fromkeys(row["metric"] for row in added if _beside(row))):
        beside = (
            f" Seeds were added until differences in the metric that a task is judged by were "
            f"decided, which is not {named}: no such row was decided by that rule, and its margin "
            f"does not apply. Their verdicts are tests at the level of one of its looks (p < "
            f".0064) on the pairs up to the last one, so that at most 5% are wrong per row "
            f"wherever it stopped; Δ has the interval of that level. All other columns, ranks "
            f"too, are over the seeds that all labels of the task have."
        )
    found = [row for row in added if not _beside(row)]
    if not found:
        return beside
    count = len(found)
    without_pairs = ""
    if any(row["stop"] in NO_PAIR for row in found):
        without_pairs = (
            "; no dense, no base, no pairs: none of the first three seeds is a pair, as the "
            "baseline lost seeds, or as they ran out of memory or time, so that none were added"
        )
    return (
        " Seeds were added until decided: 5/30 is decided at 5 of at most 30 pairs of seeds (open: "
        "stopped there, as unlikely to be decided"
        f"{without_pairs}). At each look, after 3, 4, 5, 6, 8, … pairs, "
        "better and worse take p < .0064 and ≈ takes p < .0072, so that at most 5% are wrong per "
        f"row: of these {count}, expect {0.05 * count:.1f} at most. Where a few seeds collapse it "
        "can be three times as many. Δ is the estimate at the stop, which is exaggerated where it "
        "is decided, with its repeated interval; all other columns, ranks too, are over the seeds "
        "that all labels of the task have." + beside
    )


def images(rows: Iterable[BoardRow]) -> str:
    """What the accuracies of a board are measured on: "the task's own 397 test examples"."""
    sizes = {row["test_examples"] for row in rows if row["test_examples"]}
    if len(sizes) == 1:
        return f"the task's own {sizes.pop():,} test examples"
    return "each task's own test examples"


@dataclass(frozen=True)
class Words:
    """How a board words its verdicts."""

    margin: str
    """As it is read, without its unit: 0.5."""
    unit: str
    """What follows it: " points"."""
    better: str = "better"
    worse: str = "worse"
    _: KW_ONLY
    margins: Mapping[str, str] = field(default_factory=dict)
    """By suite, where suites have several; those of others are `margin`."""

    @classmethod
    def of(
        cls, measure: Measure, against: Baselines, given: float | None, whose: str | None = None
    ) -> Self:
        """As a metric's margin is worded: the one that was asked for, or each suite's; `whose` mean
        a relative one refers to, by default the baseline's.
        """
        whose = whose or against.word
        own = {
            suite: measure.margin_parts(margin, whose)[0]
            for suite, margin in against.margins(given, measure).items()
        }
        number, unit = measure.margin_parts(given, whose)
        if len(set(own.values())) < 2:
            return cls(next(iter(own.values()), number), unit)
        return cls(number, unit, margins=own)

    def margin_of(self, row: BoardRow) -> str:
        """The number of a row's margin."""
        return self.margins.get(row["suite"], self.margin) if self.margins else self.margin

    def _in_legend(self) -> tuple[str, str]:
        """The margin beside a verdict, and in full: `<0.5`, `0.5 points`; of several suites each:
        `<0.5 or <1`, `0.5 points (quickstart) or 1 points (wide)`.
        """
        if not self.margins:
            return f"<{self.margin}", self.margin + self.unit
        suites: dict[str, list[str]] = {}
        for suite, number in self.margins.items():
            suites.setdefault(number, []).append(suite)
        each = (f"{x}{self.unit} ({printable(', '.join(own))})" for x, own in suites.items())
        return " or ".join(f"<{number}" for number in suites), " or ".join(each)

    def cell(self, row: BoardRow) -> Cell:
        """A row's verdict, in ten characters."""
        from lth_bench.stats import Forecast
        from lth_bench.stats.verdict import LEAST, NO_PAIR, short_outlook

        kind, against = row["verdict"], versus(row)
        pairs = row["difference_n"] if "difference_n" in row else row["ratio_n"]
        if kind is None:
            return Cell("")
        if row.get("stop") in NO_PAIR:
            short = against if len(against) < SHORT else "base"
            text = f"no {short}" if row["stop"] == "no baseline" else "no pairs"
        elif kind == "failed":
            text = f"{row['lost']} failed"
        elif kind == "equivalent":
            text = f"≈ {against}" if len(against) <= SHORT else "≈ equal"
        elif kind == "insufficient":
            text = f"needs {LEAST}+"
        elif kind == "open" and (row.get("signs") is not None or _beside(row)):
            # order alone predicts no number of seeds, nor does what another metric needs
            text = "open"
        elif kind == "open" and row.get("stop") is not None:
            text = f"open {stopped(row)}"
        elif kind == "open":
            text = f"open {short_outlook(pairs, Forecast(row['n50'], row['n80']))}"
        else:
            text = self.better if kind == "better" else self.worse
            text += f" <{self.margin_of(row)}" if row["within_margin"] else ""
        if row.get("stop") == "decided":
            text += f" {stopped(row)}"
        style = "dim" if row["control"] != "none" else STYLES.get(kind, "")
        short = text.removeprefix("needs ").removeprefix("open ").split(" <")[0]
        return Cell(text, style, short=short)

    def in_words(self, row: BoardRow) -> Cell:
        """The same in words, in 18 characters: `same within 0.5`, `open, ~4–7 seeds`."""
        from lth_bench.stats.verdict import LEAST, NO_PAIR

        kind, cell = row["verdict"], self.cell(row)
        number = self.margin_of(row) + "%" * self.unit.startswith("%")
        if kind is None:
            alone = "baseline" if row["label"] == row["baseline"] else "not compared"
            text = alone if row["n"] else without_result(row)
        elif row.get("stop") in NO_PAIR:
            known = f"{versus(row)} lost seeds"
            known = known if len(known) <= IN_WORDS else "base lost seeds"
            text = known if row["stop"] == "no baseline" else "no pair in 3 seeds"
        elif kind == "failed":
            text = f"{row['lost']} of {row['planned']} failed"
        elif row.get("stop") == "decided":
            word = "same" if kind == "equivalent" else getattr(self, kind)
            text = f"{word} ({row['decided_at']} of {row['max_seeds']})"
        elif kind == "open" and row.get("stop") is not None and not _beside(row):
            word = "stopped" if row["stop"] == "futile" else "open"
            text = f"{word} ({row['decided_at']} of {row['max_seeds']})"
        elif kind == "equivalent":
            text = f"same within {number}"
        elif kind == "insufficient":
            text = f"needs {LEAST}+ seeds"
        elif kind == "open" and row.get("signs") is None and not _beside(row):
            text = f"open, {cell.short} seeds"
        elif kind in ("better", "worse") and row["within_margin"]:
            text = f"{getattr(self, kind)} by <{number}"
        else:
            text = cell.text
        return Cell(text, cell.style)

    def legend(self, against: str) -> str:
        """The meaning of the columns `verdict` and `detects`; `against` names the baseline."""
        beside, margin = self._in_legend()
        return (
            f"verdict, from the differences to {against}: {self.better} or {self.worse} where a "
            f"paired t-test shows it at 95% ({beside}: though by less than the margin of "
            f"{margin}); ≈ where the difference is shown to lie within the "
            f"margin; open ~4–7 (where space is short: ~4–7): neither is shown yet; 4 seeds would "
            f"settle it in 1 of 2 cases, 7 in 4 of 5, if more seeds vary as these do; >100: not "
            f"expected below 100 seeds; needs 3+: no verdict on fewer than three seeds. Rows are "
            f"not corrected for multiple tests: of 20 true ties, about one is called "
            f"{self.better} or {self.worse}. detects: the true difference that this many seeds "
            f"detect with 80% power."
        )
