"""The leaderboard by the cost of reaching an accuracy: search and training, at the best density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import named_by
from lth_bench.analysis.boards.layout import (
    place,
    styles,
    tables,
    times,
    tuning_legend,
)
from lth_bench.analysis.boards.missing import outstanding
from lth_bench.analysis.boards.rows import (
    ENTRIES,
    LABEL,
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
from lth_bench.analysis.numbers import count, kept, ratio
from lth_bench.analysis.table import Board, Cell, Line
from lth_bench.errors import UserError
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = """
    WITH {entries},
    {base_entries},
    dense AS (
        SELECT
            task,
            coalesce(
                $reach,
                avg(value) - $sign * any_value(m.margin)
                    * CASE WHEN $relative THEN abs(avg(value)) ELSE 1 END
            ) AS reach,
            avg(flops_dense) AS flops
        FROM dense_of({metric}) d JOIN {margins} m USING (task) WHERE {tasks}
        GROUP BY task
    ),
    tickets AS (
        SELECT
            e.entry, f.task, f.seed, f.status, f.target_density, f.value,
            coalesce(d.reach, $reach) AS goal,
            f.status = 'ok'
                AND $sign * (f.value - goal) >= -$roundoff * greatest(1, abs(goal)) AS reached,
            f.total_steps AS steps, f.total_flops_dense AS executed,
            f.total_flops_masked_theoretical AS masked
        FROM scored({metric}) f
        JOIN entries e ON e.cell = f.cell
        LEFT JOIN dense d ON d.task = f.task
        WHERE {where}
    ),
    -- of each seed, the cheapest ticket that reaches the accuracy
    won AS (
        SELECT
            entry, task, seed, count(*) FILTER (reached) > 0 AS reached,
            bool_or(is_lost(status)) AS lost, bool_or(is_lost(status)) AS failed,
            bool_or(status = 'skipped') AS skipped,
            bool_or(is_owed(status)) AS owed,
            arg_min(
                {{'masked': masked, 'executed': executed, 'steps': steps,
                  'density': target_density, 'score': value}},
                (masked, -target_density)
            ) FILTER (reached) AS best
        FROM tickets
        GROUP BY entry, task, seed
    ),
    against AS (
        SELECT w.entry, w.task, w.seed, w.best.masked AS masked
        FROM won w JOIN base_entries b ON b.entry = w.entry
    ),
    grouped AS (
        SELECT
            w.entry, any_value(w.task) AS task, count(*) AS planned,
            count(*) FILTER (w.reached) AS n, count(*) FILTER (w.lost) AS lost,
            count(*) FILTER (w.failed) AS failed, count(*) FILTER (w.skipped) AS skipped,
            count(*) FILTER (w.owed AND NOT w.reached) AS pending,
            avg(w.best.masked) AS masked, stddev_samp(w.best.masked) AS deviation,
            avg(w.best.executed) AS executed, avg(w.best.steps) AS steps,
            avg(w.best.score) AS score,
            min(w.best.density) AS sparsest_density, max(w.best.density) AS densest_density,
            count(ln(w.best.masked / nullif(b.masked, 0))) AS ratio_n,
            avg(ln(w.best.masked / nullif(b.masked, 0))) AS log_ratio,
            stddev_samp(ln(w.best.masked / nullif(b.masked, 0))) AS log_deviation
        FROM won w
        LEFT JOIN against b
            ON b.task = w.task AND b.seed = w.seed AND b.entry <> w.entry
        GROUP BY w.entry
    )
    SELECT
        {task}, {label}, coalesce(d.reach, $reach) AS reach, g.n, NULL AS rank,
        g.masked / d.flops AS flops_masked_ratio,
        (g.masked - half_width(q.t, g.deviation, g.n)) / d.flops AS low,
        (g.masked + half_width(q.t, g.deviation, g.n)) / d.flops AS high,
        g.executed / d.flops AS flops_ratio, g.steps, g.masked AS flops_masked_theoretical,
        g.score, g.sparsest_density, g.densest_density,
        exp(g.log_ratio) AS ratio,
        exp(g.log_ratio - half_width(rq.t, g.log_deviation, g.ratio_n)) AS ratio_low,
        exp(g.log_ratio + half_width(rq.t, g.log_deviation, g.ratio_n)) AS ratio_high,
        g.ratio_n, g.planned, g.failed, g.skipped, g.pending, g.lost,
        c.tuned_from, c.tuning_steps
    FROM grouped g
    JOIN cells c ON c.cell = g.entry
    JOIN tasks t ON t.task = c.task
    LEFT JOIN dense d ON d.task = c.task
    LEFT JOIN t_quantiles q ON q.df = g.n - 1
    LEFT JOIN t_quantiles rq ON rq.df = g.ratio_n - 1
    WHERE {shown}
    ORDER BY {order}
"""


def rows(
    con: DuckDBPyConnection,
    scope: BoardScope,
    *,
    against: Baselines,
    margin: float | None = None,
    reach: float | None = None,
    measure: Measure = ACCURACY,
) -> list[BoardRow]:
    """One row for each task, label and control, the cheapest first.

    For each seed: the cheapest ticket, at any density, whose metric is `reach` or better (by
    default the mean of the dense runs, worse by `margin`), by the FLOPs of search and training if
    pruned weights cost nothing. Means over the `n` of `planned` seeds that have one:
    `flops_masked_ratio`, with its 95% t-interval `low` and `high`, and `flops_ratio` (as executed),
    both as multiples of the dense run's FLOPs; `flops_masked_theoretical`; `steps` of search and
    training; `score`, the metric, and `accuracy` if it is that; and the range of the tickets'
    target densities. A label that reaches it at fewer of its seeds ranks lower: a seed that does
    not reach it costs infinitely much. `pending` seeds are unfinished and may still reach it.
    `ratio` is the geometric mean of the ratios of costs to those of `baseline`, if that is a label,
    over the `ratio_n` seeds at which both reach it. `tuning_steps` is the additional cost of tuning
    the label's parameters.
    """
    from lth_bench.stats.curve import ROUNDOFF

    where = scope.where("f", "tasks", "densities")
    sql = SQL.format(
        entries=ENTRIES.format(where=scope.where("c", "tasks", "densities")),
        base_entries=against.entries, metric=quoted(measure.name),
        margins=against.task_margins, tasks=scope.where("d", "tasks"), where=where,
        shown=scope.where("c"),
        task=TASK, label=LABEL, order=ORDER,
    )  # fmt: skip
    given = {**scope.parameters, **against.parameters, "reach": reach}
    given |= {
        "relative": not measure.is_fraction, "sign": measure.sign, "roundoff": ROUNDOFF,
        **against.margin_parameters(measure, margin),
    }  # fmt: skip
    given.pop("dense_tasks")
    found = fetch(con, sql, given)
    return [
        row
        | {"accuracy": row["score"] if measure == ACCURACY else None}
        | {"baseline": against.name(row["suite"]), **named_by(measure)}
        for row in ranked(found, _cheapest_first)
    ]


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    *,
    against: Baselines,
    margin: float | None = None,
    reach: float | None = None,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard by cost."""
    found = rows(con, scope, against=against, margin=margin, reach=reach, measure=measure)
    if reach is None and all(row["reach"] is None for row in found):
        raise UserError(
            f"there is no dense run, whose {measure.short} is the default to reach; give a value"
            + (" in (0, 1], such as --reach 0.97" if measure.is_fraction else ": --reach VALUE")
        )
    goal = (
        f"{_with_unit(reach, measure)} {measure.words}" if reach is not None else
        f"the dense runs' mean {measure.words} {'less' if measure.higher else 'plus'} "
        f"{against.margin_words(measure, margin, 'the dense run')}"
    )  # fmt: skip
    legend = (
        f"Cost of reaching {goal}: for each seed, the cheapest ticket that reaches it, at any "
        "density. reached: seeds that reach it, of those planned; the others cost infinitely much. "
        "#: by the fraction of seeds that reach it, then by FLOPs. FLOPs: of search and training, "
        "if pruned weights cost nothing, as a multiple of the dense run's, mean ± 95% t-interval "
        "over the seeds that reach it; executed: as executed here, with all weights. steps: of "
        f"search and training. density: target densities of these tickets. {measure.short}: "
        "theirs, on the same test data that they were chosen by."
    )
    if not against.dense_only:
        legend += (
            f" × {against.short}: FLOPs over those of {against.word}, geometric mean over the "
            "seeds at which both reach it, with its 95% interval."
        )
    shown = tables(
        found,
        lambda row: header(row, measure),
        lambda row, _: line(row, measure),
        lambda members: notes(members, against, measure),
        lambda row: _goal(row, measure),
    )
    return Board("leaderboard", found, shown, legend + tuning_legend(found))


def header(row: BoardRow, measure: Measure = ACCURACY) -> tuple[str, ...]:
    """Of the table of a row's task."""
    own = () if row["baseline"] in (None, "dense") else (f"× {versus(row)}",)
    return (
        "#", "strategy", "reached", "FLOPs", *own, "executed", "steps", "density %", measure.column,
    )  # fmt: skip


def line(row: BoardRow, measure: Measure = ACCURACY) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    cost, high = row["flops_masked_ratio"], row["high"]
    short = "–" if cost is None else ratio(cost)
    wide = short if cost is None or high is None else f"{short} ± {high - cost:.2f}"
    own = () if row["baseline"] in (None, "dense") else (times(row, whole),)
    executed = row["flops_ratio"]
    return (
        Cell(place(row), mine),
        name(row, mine),
        Cell(f"{row['n']}/{row['planned']}", whole),
        Cell(wide, mine, short=short),
        *own,
        Cell("" if executed is None else ratio(executed), whole),
        Cell(count(row["steps"]) if row["n"] else "", whole),
        Cell(_densities(row), whole),
        Cell("" if row["score"] is None else measure.value(row["score"]), whole),
    )


def notes(rows: list[BoardRow], against: Baselines, measure: Measure = ACCURACY) -> list[str]:
    """The notes below a task's table."""
    if rows[0]["reach"] is None:
        return [f"no dense run, whose {measure.short} is the default to reach; give one: --reach"]
    found = outstanding(rows, against.scope, "seeds")
    baseline = against.of[rows[0]["suite"]]
    if baseline is not None and not baseline.dense and not any(r["ratio_n"] for r in rows):
        found.append(f"no other label reaches it at a seed at which {versus(rows[0])} does")
    return [*against.notes(rows), *found]


def _with_unit(value: float, measure: Measure) -> str:
    """`97.00%`, `120 steps`, `0.5`."""
    unit = measure.value_unit
    return f"{measure.value(value)}{unit if unit in ('', '%') else f' {unit}'}"


def _goal(row: BoardRow, measure: Measure) -> str:
    if row["reach"] is None:
        return ""
    value = measure.value(row["reach"])
    if measure == ACCURACY:
        return f"to reach {value}%"
    return f"to reach {measure.name} {'≥' if measure.higher else '≤'} {value}"


def _densities(row: BoardRow) -> str:
    low, high = row["sparsest_density"], row["densest_density"]
    if low is None:
        return ""
    return kept(low) if low == high else f"{kept(low)}–{kept(high)}"


def _cheapest_first(row: BoardRow) -> tuple[float, float] | None:
    if not row["n"]:
        return None
    return -row["n"] / (row["planned"] - row["pending"]), row["flops_masked_theoretical"]
