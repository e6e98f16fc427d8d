"""Verdicts where seeds were added until decided: from all pairs of seeds in their order, at the
looks that the run took. The other columns are over the seeds that all labels of a task have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.answers import ADDED
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import ON, BoardRow
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.seed_pairs import fates_of, in_order, verdict_in_order

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.stats import Verdict

BaseOf = Callable[[BoardRow, Sequence[Sample]], Sample | None]
"""What a row is compared with, of the samples of all seeds; None where there is none."""

FIXED: dict[str, Any] = dict.fromkeys(("decided_at", "max_seeds", "stop"))
"""Columns of a row whose number of seeds was fixed."""

AT = ("target_density", "label", "control")
WIDER = ("difference_other_data_low", "difference_other_data_high")
SOURCE = ("source_model", "source_dataset", "source_recipe")


def decided(
    con: DuckDBPyConnection,
    rows: Sequence[BoardRow],
    against: Baselines,
    margin: float | None,
    measure: Measure,
    *,
    base: BaseOf | None = None,
) -> list[BoardRow]:
    """The rows with `decided_at` (pairs of seeds at the last look, or so far before the first),
    `max_seeds` and `stop` (`decided`, `futile`, `maximum`, `lost`, `skipped`, `no baseline`,
    `dropped`, `other metric`, `to come`; all three None at a fixed number of seeds), and with
    verdict, p and difference of that look: `difference` is the estimate at the stop,
    `difference_low` and `difference_high` the repeated interval of level 1 − .0064, `difference_n`
    the pairs. Before the first look the verdict is insufficient.

    `margin` goes before the suites' own. `base` says what a row is compared with, by default the
    suite's baseline. Rows of which only the order is known keep their sign test.
    """
    find = base or partial(_base, against=against)
    found = [row | FIXED for row in rows]
    rules = {suite: rule for suite in against.of if (rule := against.rule(suite, margin))}
    if not any(row["suite"] in rules for row in rows):
        return found
    everything = samples(con, metric=measure.name, suites=list(rules), every_seed=True)
    by_row = {(*(getattr(s, name) for name in (*ON, *AT)), s.source): s for s in everything}
    for row in found:
        sample = by_row.get(_place(row))
        if row["suite"] not in rules or sample is None or row.get("signs") is not None:
            continue
        other = find(row, everything)
        if other is not None:
            rule = rules[row["suite"]]
            if not sample.decisive:  # the margin is not this metric's
                rule = replace(rule, margin=margin)
            pairs = in_order(fates_of(sample), fates_of(other), rule.max_seeds)
            verdict = verdict_in_order(pairs, rule, measure, sample.step, decisive=sample.decisive)
            stop = _stop(verdict)
            # nothing to judge, as where all seeds are still to come, is no verdict
            judged = pairs.differences or pairs.given_up or row["verdict"]
            row |= _columns(verdict) | stop if judged else stop
    return found


def _base(row: BoardRow, among: Sequence[Sample], against: Baselines) -> Sample | None:
    """What a row is compared with: as `Baselines.base`, of all seeds; None of the baseline."""
    baseline = against.of[row["suite"]]
    if baseline is None or against.has(row):
        return None
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
        **dict.fromkeys(WIDER), "other_data_missing": ADDED,
    }  # fmt: skip


def _stop(verdict: Verdict) -> BoardRow:
    stop = verdict.stop
    assert stop is not None
    return {"decided_at": stop.at, "max_seeds": stop.maximum, "stop": stop.why}


def _place(row: BoardRow) -> tuple[Any, ...]:
    return (*(row[name] for name in (*ON, *AT)), "/".join(row[name] for name in SOURCE))
