"""The leaderboard at equal FLOPs: what each label reaches with a network as cheap as others'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import Words, with_verdict
from lth_bench.analysis.boards.layout import detects, difference, place, seeds, styles, tables
from lth_bench.analysis.boards.rows import (
    ENTRIES,
    LABEL,
    ON,
    ORDER,
    TASK,
    BoardRow,
    fetch,
    name,
    ranked,
    versus,
)
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.numbers import kept
from lth_bench.analysis.table import Board, Cell, Line
from lth_bench.errors import NothingSelected
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = """
    WITH {entries},
    {base_entries},
    -- shares of the dense network's FLOPs to compare at: as round as the task's densities
    levels AS (
        SELECT DISTINCT f.task, f.target_density AS level
        FROM counted_rows() f
        WHERE f.control = 'none' AND f.target_density < 1 AND f.status = 'ok' AND {where}
    ),
    tickets AS (
        SELECT
            e.entry, f.task, f.seed, f.status, f.value, f.strategy = 'dense' AS dense,
            ln(f.flops_masked_theoretical / nullif(f.flops_dense, 0)) AS x
        FROM scored({metric}) f
        JOIN entries e ON e.cell = f.cell
        WHERE (f.target_density < 1 OR f.strategy = 'dense') AND {where}
    ),
    -- a label's curve of a seed, from the dense run on
    points AS (
        SELECT entry, task, seed, x, avg(value) AS y
        FROM tickets
        WHERE status = 'ok' AND value IS NOT NULL AND x IS NOT NULL AND x < 0 AND NOT dense
        GROUP BY entry, task, seed, x
        UNION ALL
        SELECT DISTINCT t.entry, t.task, t.seed, 0.0, d.value
        FROM tickets t
        JOIN dense_of({metric}) d ON d.task = t.task AND d.seed = t.seed
        WHERE NOT t.dense AND d.value IS NOT NULL
    ),
    segments AS (
        SELECT *, lead(x) OVER ordered AS next_x, lead(y) OVER ordered AS next_y
        FROM points
        WINDOW ordered AS (PARTITION BY entry, task, seed ORDER BY x DESC)
    ),
    reached AS (
        SELECT
            s.entry, s.task, s.seed, l.level,
            s.y + coalesce((s.next_y - s.y) * least(1, greatest(0,
                (s.x - ln(l.level)) / nullif(s.x - s.next_x, 0)
            )), 0) AS value
        FROM segments s
        JOIN levels l ON l.task = s.task AND ln(l.level) <= s.x + $near
            AND ln(l.level) > coalesce(s.next_x + $near, s.x - $near)
        UNION ALL
        SELECT t.entry, t.task, t.seed, l.level, t.value
        FROM tickets t JOIN levels l ON l.task = t.task
        WHERE t.dense AND t.status = 'ok' AND t.value IS NOT NULL
    ),
    planned AS (
        SELECT
            entry, task, seed, bool_or(is_lost(status)) AS lost,
            bool_or(is_owed(status)) AS owed
        FROM tickets GROUP BY entry, task, seed
    ),
    against AS (
        SELECT r.task, r.seed, r.level, r.value, r.entry
        FROM reached r JOIN base_entries b ON b.entry = r.entry
        UNION ALL
        SELECT d.task, d.seed, l.level, d.value, NULL
        FROM dense_of({metric}) d JOIN levels l ON l.task = d.task
        WHERE d.task IN (SELECT unnest($dense_tasks))
    ),
    grouped AS (
        SELECT
            p.entry, l.level, count(*) AS planned, count(r.value) AS n,
            count(*) FILTER (r.value IS NULL AND p.lost) AS lost,
            count(*) FILTER (r.value IS NULL AND p.owed AND NOT p.lost) AS pending,
            avg(r.value) AS mean, stddev_samp(r.value) AS deviation,
            count(r.value - b.value) AS difference_n,
            avg(r.value - b.value) AS difference,
            stddev_samp(r.value - b.value) AS difference_deviation,
            avg(b.value) FILTER (r.value IS NOT NULL) AS base_mean
        FROM planned p
        JOIN levels l ON l.task = p.task
        LEFT JOIN reached r ON r.entry = p.entry AND r.seed = p.seed AND r.level = l.level
        LEFT JOIN against b
            ON b.task = p.task AND b.seed = p.seed AND b.level = l.level
            AND b.entry IS DISTINCT FROM p.entry
        GROUP BY p.entry, l.level
    )
    SELECT
        {task}, g.level AS flops_share, {label}, NULL AS rank,
        g.n, g.mean,
        g.mean - half_width(q.t, g.deviation, g.n) AS low,
        g.mean + half_width(q.t, g.deviation, g.n) AS high,
        g.difference,
        g.difference - half_width(dq.t, g.difference_deviation, g.difference_n) AS difference_low,
        g.difference + half_width(dq.t, g.difference_deviation, g.difference_n) AS difference_high,
        g.difference_n, g.difference_deviation, g.base_mean,
        g.planned, g.lost, g.pending
    FROM grouped g
    JOIN cells c ON c.cell = g.entry
    JOIN tasks t ON t.task = c.task
    LEFT JOIN t_quantiles q ON q.df = g.n - 1
    LEFT JOIN t_quantiles dq ON dq.df = g.difference_n - 1
    WHERE {shown}
    ORDER BY t.suite, t.model, t.dataset, t.recipe, g.level DESC, {order}
"""

NEAR = 0.01
"""How far above a level, relatively, a ticket may lie and still count as at it: layers of whole
numbers of weights do not give round shares."""

BLOCK = (*ON, "flops_share")


def rows(
    con: DuckDBPyConnection, scope: BoardScope, against: Baselines, measure: Measure = ACCURACY
) -> list[BoardRow]:
    """One row a task, share of the dense FLOPs, label and control, the best first within a share.

    `flops_share` is the FLOPs of a step of the ticket's own training if pruned weights cost
    nothing, as a fraction of the dense network's, at the numbers that the task has as target
    densities. `mean`, with its 95% t-interval `low` and `high`, is the mean over `n` of `planned`
    seeds of the metric at that share: on the straight line, over the logarithm of the FLOPs,
    between the label's two nearest tickets of the seed, or the dense run and its densest ticket.
    Nothing is extrapolated: a seed whose sparsest ticket has more FLOPs is left out, and a label
    with fewer seeds ranks lower. A method that is charged for dense gradients, as RigL where it
    rewires and SR-STE throughout, has their FLOPs. `difference` and the verdict are as in the
    leaderboard by accuracy. `lost` and `pending` are seeds.
    """
    sql = SQL.format(
        entries=ENTRIES.format(where=scope.where("c", "tasks", "densities")),
        base_entries=against.entries, metric=quoted(measure.name),
        where=scope.where("f", "tasks", "densities"), shown=scope.where("c"),
        task=TASK, label=LABEL, order=ORDER,
    )  # fmt: skip
    found = fetch(con, sql, {**scope.parameters, **against.parameters, "near": NEAR})
    if not any(row["n"] for row in found if row["strategy"] != "dense"):
        raise NothingSelected("no ticket has a result yet, so there are no FLOPs to compare at")
    against.require_common(found, "difference_n")

    def best_first(row: BoardRow) -> tuple[float, float] | None:
        if row["mean"] is None:
            return None
        # a mean over the seeds that get there says less the fewer they are
        return -row["n"] / (row["planned"] - row["pending"]), -measure.sign * row["mean"]

    return ranked(found, best_first, BLOCK)


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard at equal FLOPs."""
    found = [
        with_verdict(row, against, margin, measure) for row in rows(con, scope, against, measure)
    ]
    words = Words.of(measure, against, margin)
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    legend = (
        "FLOPs: of a step of the ticket's training, if pruned weights cost nothing, as a share of "
        f"the dense network's. {measure.short}: at that share, on the straight line over the "
        "logarithm of FLOPs between a label's nearest tickets, seed by seed, from the dense run "
        "on; mean ± 95% t-interval. A label has no value below its cheapest ticket. #: by the "
        "fraction of seeds that have one, then by it. Δ: "
        f"mean difference to {against.word}, seed by seed{unit}. {words.legend(against.word)} n: "
        "seeds, of those planned. Not in it: the search for the ticket (--by cost)."
    )
    shown = tables(
        found,
        lambda row: header(row, measure),
        lambda row, first: line(row, first, words, measure),
        lambda members: [*against.notes(members), *_short(members)],
    )
    return Board("leaderboard", found, shown, legend)


def header(row: BoardRow, measure: Measure = ACCURACY) -> tuple[str, ...]:
    """Of the table of a row's task."""
    return (
        "FLOPs %", "#", "strategy", measure.column, f"Δ {versus(row)}", "verdict", "detects", "n",
    )  # fmt: skip


def line(row: BoardRow, first: bool, words: Words, measure: Measure = ACCURACY) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    verdict = words.cell(row)
    mean = "" if row["mean"] is None else measure.with_half(row["mean"], row["high"])
    return (
        Cell(kept(row["flops_share"]) if first else "", "strong"),
        Cell(place(row), mine),
        name(row, mine),
        Cell(mean, mine),
        difference(row, verdict.style or whole, measure),
        verdict,
        detects(row, whole, measure),
        Cell(seeds(row), whole),
    )


def _short(rows: list[BoardRow]) -> list[str]:
    """Which labels have no ticket as cheap as asked for."""
    lacking = sum(row["n"] < row["planned"] for row in rows)
    if not lacking:
        return []
    where = f"{lacking} of {len(rows)} rows"
    return [f"in {where} some seeds have no ticket with as few FLOPs; lower densities give them"]
