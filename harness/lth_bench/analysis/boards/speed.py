"""The leaderboard by early-stop step: how soon training reaches its minimum validation loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import NO_VERDICT, Words, judged_row
from lth_bench.analysis.boards.layout import place, seeds, styles, tables, times
from lth_bench.analysis.boards.missing import outstanding
from lth_bench.analysis.boards.rows import (
    LABEL,
    TASK,
    BoardRow,
    fetch,
    lost_share,
    name,
    ranked,
    versus,
)
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.measures import measure as measured_by
from lth_bench.analysis.numbers import count, kept
from lth_bench.analysis.table import Board, Cell, Line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EARLY_STOP = measured_by("early_stop_step")
"""What is ranked by."""

MARGIN = 0.1
"""Relative differences of steps this small do not matter, unless the user says otherwise."""

BLOCK = ("suite", "model", "dataset", "recipe", "target_density")

SQL = """
    WITH base AS ({base}),
    own AS (
        SELECT task, experiment_id, target_density, early_stop_step AS step
        FROM counted_rows() f
        WHERE control = 'none' AND status = 'ok' AND {tickets}
            AND cell IN (
                SELECT o.cell FROM cells o JOIN cells c
                    ON c.task = o.task AND c.label = o.label AND c.control <> 'none'
            )
    ),
    grouped AS (
        SELECT
            f.cell, count(*) AS planned,
            count(f.own_step) AS n, avg(f.own_step) AS early_stop_step,
            stddev_samp(f.own_step) AS deviation,
            avg(f.early_stop_accuracy) AS early_stop_accuracy,
            avg(f.early_stop_score) AS early_stop_score, avg(f.density) AS density,
            count(*) FILTER (f.own_step >= f.end_step) AS at_end,
            count(f.ratio) AS difference_n, avg(f.ratio) AS difference,
            stddev_samp(f.ratio) AS difference_deviation,
            count(f.own) AS own_n, avg(f.own) AS own, stddev_samp(f.own) AS own_deviation,
            count(*) FILTER (is_lost(f.status)) AS lost,
            count(*) FILTER (is_lost(f.status)) AS failed,
            count(*) FILTER (f.status = 'skipped') AS skipped
        FROM (
            SELECT
                f.cell, f.status,
                CASE WHEN f.status = 'ok' THEN f.early_stop_step END AS own_step,
                nullif(own_step, 0) AS above_zero,
                coalesce(f.rewind_step, 0) + f.steps AS end_step,
                CASE WHEN f.status = 'ok' THEN f.early_stop_accuracy END AS early_stop_accuracy,
                CASE WHEN f.status = 'ok' THEN f.early_stop_score END AS early_stop_score,
                CASE WHEN f.status = 'ok' THEN f.density END AS density,
                ln(above_zero / nullif(b.value, 0)) AS ratio,
                ln(above_zero / nullif(o.step, 0)) AS own
            FROM counted_rows() f
            LEFT JOIN base b
                ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
            LEFT JOIN own o
                ON f.control <> 'none' AND o.task = f.task AND o.experiment_id = f.experiment_id
                AND o.target_density = f.target_density
            WHERE {where}
        ) f
        GROUP BY f.cell
    )
    SELECT
        {task}, c.target_density, {label}, NULL AS rank,
        g.n, g.early_stop_step,
        g.early_stop_step - half_width(q.t, g.deviation, g.n) AS low,
        g.early_stop_step + half_width(q.t, g.deviation, g.n) AS high,
        g.early_stop_accuracy, g.at_end, g.density, g.early_stop_score,
        exp(g.difference) AS ratio,
        exp(g.difference - half_width(bq.t, g.difference_deviation, g.difference_n)) AS ratio_low,
        exp(g.difference + half_width(bq.t, g.difference_deviation, g.difference_n)) AS ratio_high,
        g.difference_n AS ratio_n,
        exp(g.own) AS ticket_ratio,
        exp(g.own - half_width(oq.t, g.own_deviation, g.own_n)) AS ticket_ratio_low,
        exp(g.own + half_width(oq.t, g.own_deviation, g.own_n)) AS ticket_ratio_high,
        g.own_n AS ticket_ratio_n,
        g.planned, g.failed, g.skipped, g.planned - g.n - g.failed - g.skipped AS pending, g.lost,
        g.difference, g.difference_n, g.difference_deviation,
        NULL AS difference_low, NULL AS difference_high
    FROM grouped g
    JOIN cells c ON c.cell = g.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN t_quantiles q ON q.df = g.n - 1
    LEFT JOIN t_quantiles bq ON bq.df = g.difference_n - 1
    LEFT JOIN t_quantiles oq ON oq.df = g.own_n - 1
    ORDER BY t.suite, t.model, t.dataset, t.recipe, c.target_density DESC, c.label,
        c.source_model, c.source_dataset, c.source_recipe, c.control <> 'none', c.control
"""


def rows(
    con: DuckDBPyConnection, scope: BoardScope, against: Baselines, margin: float
) -> list[BoardRow]:
    """One row a task, target density, label and control, the soonest first within a density.

    `early_stop_step` is the mean step of minimum validation loss, with its 95% t-interval `low`
    and `high`, and `early_stop_score` the mean of the tasks' primary metric there on the test
    split, of classification `early_stop_accuracy` too. At `at_end`
    seeds the loss was still falling at the last step, so that the true step lies beyond. `ratio`
    to `baseline`, and for a control `ticket_ratio` to its own ticket, are geometric means of the
    ratios seed by seed, with 95% t-intervals of their logarithms. The verdict is that of the
    leaderboard by accuracy, on these logarithms: better is sooner; there is none where all seeds
    were `at_end`, unless it is worse; `margin` and `detectable` are
    relative differences.
    """
    sql = SQL.format(
        base=against.base(EARLY_STOP), where=scope.where("f"),
        tickets=scope.where("f", "tasks", "densities"), task=TASK, label=LABEL,
    )  # fmt: skip
    found = fetch(con, sql, {**scope.parameters, **against.parameters})
    against.require_common(found, "ratio_n")
    return [_finished(row, against, margin) for row in ranked(found, _soonest_first, BLOCK)]


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard by early-stop step; `measure` is the tasks' primary metric."""
    found = rows(con, scope, against, margin)
    words = Words(f"{100 * margin:.6g}", "%", "sooner", "later")
    legend = (
        "density: weights remaining; in brackets after a strategy (where space is short: *) those "
        "it really keeps, where a structured method lands below the target. stop: step of minimum "
        "validation loss, mean ± 95% t-interval over the seeds; ≥: the loss was still falling at "
        "the last step of every seed, and the verdict is cut off unless it is later. #: by it. "
        f"{measure.short}: {'test, ' if measure == ACCURACY else ''}at that step; a ticket that "
        f"stops soon at a {'low' if measure.higher else 'high'} {measure.short} has not learned "
        f"faster. × {against.short}: its steps over those "
        f"of {against.word}, geometric mean over the seeds with its 95% interval; × ticket: a "
        "control's over its own ticket's. "
        f"{words.legend(against.word)} n: seeds."
    )
    controls = any(row["control"] != "none" for row in found)
    shown = tables(
        found,
        lambda row: header(row, controls, measure),
        lambda row, first: line(row, first, words, controls=controls, measure=measure),
        lambda members: [
            *against.notes(members),
            *outstanding(members, scope),
        ],
    )
    return Board("leaderboard", found, shown, legend)


def header(row: BoardRow, controls: bool, measure: Measure = ACCURACY) -> tuple[str, ...]:
    """Of the table of a row's task, with controls or without."""
    return (
        "density %", "#", "strategy", "stop", f"× {versus(row)}", "verdict", "detects",
        *(("× ticket",) if controls else ()), measure.column, "n",
    )  # fmt: skip


def line(
    row: BoardRow, first: bool, words: Words, *, controls: bool, measure: Measure = ACCURACY
) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    verdict = Cell("cut off", whole) if _cut_off(row) else words.cell(row)
    stop, high = row["early_stop_step"], row["high"]
    short = "" if stop is None else ("≥" if row["at_end"] == row["n"] else "") + count(stop)
    wide = short if high is None else f"{short} ± {count(high - stop)}"
    own = {key: row[f"ticket_{key}"] for key in ("ratio", "ratio_low", "ratio_high")}
    score = row["early_stop_score"]
    return (
        Cell(kept(row["target_density"]) if first else "", "strong"),
        Cell(place(row), mine),
        name(row, mine),
        Cell(wide, mine, short=short),
        times(row, verdict.style or whole),
        verdict,
        Cell("" if row["detectable"] is None else f"{100 * row['detectable']:.0f}%", whole),
        *((times(own, whole),) if controls else ()),
        Cell("" if score is None else measure.value(score), whole),
        Cell(seeds(row), whole),
    )


def _cut_off(row: BoardRow) -> bool:
    return row["verdict"] is None and str(row["verdict_text"]).startswith("cut off")


def _soonest_first(row: BoardRow) -> tuple[float, float] | None:
    step = row["early_stop_step"]
    return None if step is None else (lost_share(row), step)


def _finished(row: BoardRow, against: Baselines, margin: float) -> BoardRow:
    row = judged_row(row, against, math.log1p(margin), higher=False, unit="ratio")
    row |= {"margin": margin}
    if against.has(row):
        row |= {"ratio": None, "ratio_low": None, "ratio_high": None, "ratio_n": 0}
    if row["at_end"] and row["at_end"] == row["n"] and row["verdict"] not in ("worse", "failed"):
        # where it would have stopped is not known; only "later" holds all the more
        row |= {**NO_VERDICT, "verdict_text": "cut off by the end of training"}
    if row["detectable"] is not None:
        row["detectable"] = math.expm1(row["detectable"])
    # what is judged are logarithms, which say nothing to a reader
    for column in ("difference", "difference_low", "difference_high", "difference_n"):
        del row[column]
    return row
