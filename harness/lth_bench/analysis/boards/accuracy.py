"""The leaderboard by test accuracy, per task and density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.collapse import CONDITION, marked
from lth_bench.analysis.boards.judging import Words, images, step_of, with_verdict
from lth_bench.analysis.boards.layout import (
    detects,
    difference,
    outstanding,
    place,
    seeds,
    styles,
    tables,
    tuning_legend,
)
from lth_bench.analysis.boards.places import add_places, few
from lth_bench.analysis.boards.rows import LABEL, TASK, Row, fetch, name, versus
from lth_bench.analysis.boards.scope import Scope
from lth_bench.analysis.numbers import count, half_width, kept, margin_points, percent, ratio
from lth_bench.analysis.table import Board, Cell, Line, Style

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MARGIN = 0.005
"""Differences of accuracy this small do not matter, unless the user says otherwise."""

BLOCK = ("suite", "model", "dataset", "recipe", "target_density")

# The columns of the view `leaderboard`, and those that follow it here: the view is not filtered
# before it is summed up, and takes 0.7 s of a million tickets where one suite takes 0.03 s.
SQL = """
    WITH {base},
    dense AS (FROM dense_runs d WHERE {tasks}),
    grouped AS (
        SELECT
            f.cell,
            count(f.test_accuracy) AS n,
            avg(f.test_accuracy) AS mean,
            stddev_samp(f.test_accuracy) AS deviation,
            min(f.test_examples) AS test_examples,
            count(f.test_accuracy - d.test_accuracy) AS delta_n,
            avg(f.test_accuracy - d.test_accuracy) AS delta_dense,
            stddev_samp(f.test_accuracy - d.test_accuracy) AS delta_deviation,
            count(f.test_accuracy - b.accuracy) AS difference_n,
            avg(f.test_accuracy - b.accuracy) AS difference,
            stddev_samp(f.test_accuracy - b.accuracy) AS difference_deviation,
            avg(f.early_stop_accuracy) AS early_stop_accuracy,
            avg(f.early_stop_step) AS early_stop_step,
            avg(f.density) AS density,
            avg(f.effective_density) AS effective_density,
            avg(f.unit_density) AS unit_density,
            avg(f.steps) AS steps,
            avg(f.search_steps) AS search_steps,
            avg(f.flops_dense) AS flops_dense,
            avg(f.flops_masked_theoretical) AS flops_masked_theoretical,
            avg(f.search_flops_dense) AS search_flops_dense,
            avg(f.search_flops_masked_theoretical) AS search_flops_masked_theoretical,
            avg(f.seconds) AS seconds,
            avg(f.search_seconds) AS search_seconds,
            avg((f.flops_dense + f.search_flops_dense) / nullif(d.flops_dense, 0)) AS flops_ratio,
            avg(
                (f.flops_masked_theoretical + f.search_flops_masked_theoretical)
                / nullif(d.flops_dense, 0)
            ) AS flops_masked_ratio,
            count(*) FILTER ({collapsed}) AS collapsed
        FROM flat f
        LEFT JOIN dense d ON d.task = f.task AND d.seed = f.seed
        LEFT JOIN base b
            ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
        WHERE f.status = 'ok' AND {where}
        GROUP BY f.cell
    ),
    counted AS (
        SELECT
            cell, count(*) AS planned,
            count(*) FILTER (status IN ('failed', 'diverged')) AS failed,
            count(*) FILTER (status IN ('failed', 'diverged')) AS lost,
            count(*) FILTER (status = 'skipped') AS skipped
        FROM flat f
        WHERE {where}
        GROUP BY cell
    )
    SELECT
        {task}, c.target_density, {label},
        coalesce(g.n, 0) AS n, g.mean,
        g.mean - q.t * greatest(g.deviation, 0.5 / g.test_examples) / sqrt(g.n) AS low,
        g.mean + q.t * greatest(g.deviation, 0.5 / g.test_examples) / sqrt(g.n) AS high,
        g.delta_dense,
        CASE WHEN c.control = 'none' AND g.mean IS NOT NULL THEN rank() OVER (
            PARTITION BY c.task, c.target_density, c.control = 'none'
            -- a seed that the method lost counts as accuracy 0; roundoff decides nothing
            ORDER BY round(g.mean * g.n / (g.n + k.failed), 12) DESC NULLS LAST
        ) END AS rank,
        g.delta_dense - dq.t * greatest(g.delta_deviation, 0.5 / g.test_examples)
            / sqrt(g.delta_n) AS delta_low,
        g.delta_dense + dq.t * greatest(g.delta_deviation, 0.5 / g.test_examples)
            / sqrt(g.delta_n) AS delta_high,
        coalesce(g.delta_n, 0) AS delta_n,
        g.early_stop_step, g.early_stop_accuracy, g.density, g.effective_density, g.unit_density,
        g.steps, g.search_steps, g.flops_dense, g.flops_masked_theoretical,
        g.search_flops_dense, g.search_flops_masked_theoretical, g.flops_ratio,
        g.flops_masked_ratio, g.seconds, g.search_seconds,
        k.planned, k.failed, k.skipped,
        k.planned - coalesce(g.n, 0) - k.failed - k.skipped AS pending,
        c.tuned_from, c.tuning_steps, g.test_examples, coalesce(g.collapsed, 0) AS collapsed,
        k.lost,
        g.difference,
        g.difference - bq.t * greatest(g.difference_deviation, 0.5 / g.test_examples)
            / sqrt(g.difference_n) AS difference_low,
        g.difference + bq.t * greatest(g.difference_deviation, 0.5 / g.test_examples)
            / sqrt(g.difference_n) AS difference_high,
        coalesce(g.difference_n, 0) AS difference_n, g.difference_deviation,
        k.cell AS key, NULL AS rank_low, NULL AS rank_high
    FROM counted k
    JOIN cells c ON c.cell = k.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN grouped g ON g.cell = k.cell
    LEFT JOIN t_quantiles q ON q.df = g.n - 1
    LEFT JOIN t_quantiles dq ON dq.df = g.delta_n - 1
    LEFT JOIN t_quantiles bq ON bq.df = g.difference_n - 1
    ORDER BY t.suite, t.model, t.dataset, t.recipe, c.target_density DESC, rank NULLS LAST,
        c.label, c.source_model, c.source_dataset, c.source_recipe, c.control <> 'none', c.control
"""


def rows(
    con: DuckDBPyConnection, scope: Scope, against: Baselines, margin: float = MARGIN
) -> list[Row]:
    """One row a task, target density, label and control, best first within a density.

    The columns of the view `leaderboard`, then: `lost` (seeds that failed or diverged); `baseline`
    and the mean `difference` to it, with its 95% t-interval `difference_low`, `difference_high` and
    its `difference_n` pairs; `margin`, `verdict`, `verdict_text`, `p` (paired t), `within_margin`,
    `detectable` (difference that so many seeds show with 80% power), `n50` and `n80` (seeds by
    which an open verdict is likely to be settled); `rank_low` and `rank_high`, the places the label
    could truly have. A deviation counts as half of 1 / `test_examples` at least.
    """
    sql = SQL.format(
        base=against.sql, tasks=scope.where("d", "tasks"), where=scope.where("f"),
        task=TASK, label=LABEL, collapsed=CONDITION,
    )  # fmt: skip
    found = fetch(con, sql, {**scope.parameters, **against.parameters})
    against.require_common(found, "difference_n")
    if few(found, BLOCK):
        add_places(found, BLOCK, _values(con, found), step_of)
    return [with_verdict(row, against, margin, step=step_of(row)) for row in found]


def board(con: DuckDBPyConnection, scope: Scope, against: Baselines, margin: float) -> Board:
    """The leaderboard by accuracy."""
    found = rows(con, scope, against, margin)
    words = Words(margin_points(margin), " points")
    shown = tables(
        found,
        header,
        lambda row, first: line(row, first, words),
        lambda members: [*against.notes(members), *outstanding(members)],
    )
    said = legend(words, against.word, images(found)) + tuning_legend(found)
    return Board("leaderboard", found, shown, said)


def header(row: Row) -> tuple[str, ...]:
    """Of the table of a row's task."""
    return (
        "left %", "#", "strategy", "accuracy %", f"Δ {versus(row)}", "verdict", "detects", "n",
        "stop", "steps", "FLOPs",
    )  # fmt: skip


def legend(words: Words, against: str, tested: str) -> str:
    """What the columns mean; `tested` is what the accuracies are measured on."""
    return (
        "left: weights kept; in brackets after a strategy (where space is short: *) those it "
        "really kept, where a structured method lands below the target. #: by accuracy; 1–3: the "
        "places it could truly have, by paired t-tests of all pairs at 95% with Holm's correction. "
        "accuracy: test, mean ± 95% "
        f"t-interval over the seeds, on {tested}: what other seeds would give there, not what "
        f"other test data would. Δ: mean difference to {against}, seed by seed, in points. "
        f"{words.legend(against)} n: seeds. stop: step of minimum validation loss, "
        "counted from the schedule's beginning. steps: of the "
        "ticket's training and of the search for it. FLOPs: of both, if pruned weights cost "
        "nothing, as a multiple of the dense run's."
    )


def line(row: Row, first: bool, words: Words) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    verdict = words.cell(row)
    steps = row["steps"] + row["search_steps"] if row["n"] else None
    return (
        Cell(kept(row["target_density"]) if first else "", "strong"),
        Cell(place(row), mine),
        name(row, mine),
        _marked(_accuracy(row, mine), row),
        difference(row, verdict.style or whole),
        verdict,
        detects(row, whole),
        Cell(seeds(row), whole),
        *(Cell(count(x) if row["n"] else "", whole) for x in (row["early_stop_step"], steps)),
        Cell("" if (x := row["flops_masked_ratio"]) is None else ratio(x), whole),
    )


def _values(con: DuckDBPyConnection, rows: list[Row]) -> dict[int, dict[int, float | None]]:
    """Accuracies by row and seed; None where the method lost the seed."""
    return {
        cell: dict(zip(seeds, values, strict=True))
        for cell, seeds, values in con.execute(
            """
            SELECT cell, list(seed), list(CASE WHEN status = 'ok' THEN test_accuracy END)
            FROM flat
            WHERE cell IN (SELECT unnest($cells)) AND (
                status = 'ok' AND test_accuracy IS NOT NULL OR status IN ('failed', 'diverged')
            )
            GROUP BY cell
            """,
            {"cells": [row["key"] for row in rows if row["rank"] is not None]},
        ).fetchall()
    }


def _marked(cell: Cell, row: Row) -> Cell:
    short = None if cell.short is None else marked(cell.short, row)
    return Cell(marked(cell.text, row), cell.style, short)


def _accuracy(row: Row, style: Style) -> Cell:
    if row["mean"] is not None:
        mean, half = percent(row["mean"]), half_width(row["mean"], row["high"])
        return Cell(f"{mean} ± {half}", style, f"{mean}±{half}") if half else Cell(mean, style)
    parts = [
        f"{row[key]} {word}"
        for key, word in (("failed", "failed"), ("skipped", "skipped"), ("pending", "to come"))
        if row[key]
    ]
    return Cell(", ".join(parts), "warn")
