"""Verdicts where seeds were added until decided: from all pairs of seeds in their order, at the
looks that the run took. The other columns are over the seeds that all labels of a task have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import ON, BoardRow
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.seed_pairs import fates_of, in_order, judged_in_order

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.stats import Verdict
    from lth_bench.suite.decide import Decide

FIXED: dict[str, Any] = dict.fromkeys(("decided_at", "max_seeds", "stop", "decided_by_seed"))
"""Columns of a row whose number of seeds was fixed."""

AT = ("target_density", "label", "control")
WIDER = ("difference_other_data_low", "difference_other_data_high")
ADDED = "seeds were added until decided: the interval would be of a mean that is exaggerated"
SOURCE = ("source_model", "source_dataset", "source_recipe")


def decided(
    con: DuckDBPyConnection,
    rows: Sequence[BoardRow],
    against: Baselines,
    margin: float | None,
    measure: Measure,
) -> list[BoardRow]:
    """The rows with `decided_at` (pairs of seeds at the last look), `max_seeds` and `stop`
    (`decided`, `futile`, `maximum`, `lost`, `to come`; all three None at a fixed number of seeds),
    `decided_by_seed` (the one seed without which a verdict would be open, if there is one), and
    with verdict, p and difference of that look: `difference` is the estimate at the stop,
    `difference_low` and `difference_high` the repeated interval of level 1 − .0064, `difference_n`
    the pairs. `margin` goes before the suites' own.
    """
    rules = {suite: rule for suite, rule in against.rules.items() if against.of.get(suite)}
    found = [row | FIXED for row in rows]
    if not any(row["suite"] in rules for row in rows):
        return found
    everything = samples(con, metric=measure.name, suites=list(rules), every_seed=True)
    by_row = {(*(getattr(s, name) for name in (*ON, *AT)), s.source): s for s in everything}
    for row in found:
        sample = by_row.get(_place(row))
        if row["suite"] not in rules or sample is None or against.has(row):
            continue
        base = _base(row, everything, against)
        if base is not None:
            rule = rules[row["suite"]]
            verdict = _verdict(sample, base, _asked(rule, margin), measure)
            row |= {"decided_at": 0, "max_seeds": rule.max_seeds, "stop": "to come"}
            if verdict is not None:
                row |= _columns(verdict)
                row |= dict.fromkeys(WIDER) | {"other_data_missing": ADDED}
    return found


def _asked(rule: Decide, margin: float | None) -> Decide:
    return rule if margin is None else replace(rule, margin=margin)


def _verdict(mine: Sample, base: Sample, rule: Decide, measure: Measure) -> Verdict | None:
    """The last look's; None before the first."""
    pairs = in_order(fates_of(mine), fates_of(base), rule.max_seeds)
    return last(judged_in_order(pairs, rule, measure, mine.step))


def last(looks: Iterable[Verdict]) -> Verdict | None:
    """The last look's verdict; None without any."""
    found = None
    for found in looks:  # noqa: B007
        pass
    return found


def _base(row: BoardRow, among: Sequence[Sample], against: Baselines) -> Sample | None:
    """What a row is compared with: as `Baselines.base`, of all seeds."""
    baseline = against.of[row["suite"]]
    assert baseline is not None
    there = [s for s in among if all(getattr(s, name) == row[name] for name in ON)]
    if baseline.dense:
        label = against.references.get(tuple(row[name] for name in ON))
        found = [s for s in there if (s.label, s.control, s.target_density) == (label, "none", 1.0)]
    else:
        found = [
            s
            for s in there
            if (s.label, s.control) == (baseline.label, baseline.control)
            and s.target_density in (row["target_density"], 1.0)
        ]
    # a label's own ticket goes before one from elsewhere, and its density before 1
    found.sort(key=lambda s: (s.source != s.task, s.source, s.target_density))
    return found[0] if found else None


def _columns(verdict: Verdict) -> BoardRow:
    assert verdict.stop is not None
    summary = verdict.summary
    interval = None if summary is None else summary.interval(verdict.level)
    return {
        "verdict": verdict.kind, "verdict_text": verdict.text, "p": verdict.p,
        "within_margin": verdict.within, "detectable": None, "n50": None, "n80": None,
        "margin": verdict.margin,
        "difference": interval and interval.mean, "difference_low": interval and interval.low,
        "difference_high": interval and interval.high,
        "difference_n": 0 if summary is None else summary.n,
        "difference_deviation": None if summary is None else summary.deviation,
        "decided_at": verdict.stop.at, "max_seeds": verdict.stop.maximum,
        "stop": verdict.stop.why, "decided_by_seed": verdict.stop.seed,
    }  # fmt: skip


def _place(row: BoardRow) -> tuple[Any, ...]:
    return (*(row[name] for name in (*ON, *AT)), "/".join(row[name] for name in SOURCE))
