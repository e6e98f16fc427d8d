"""The leaderboard by the area under the accuracy-density curve: one number for all densities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import Words, with_verdict
from lth_bench.analysis.boards.layout import (
    TIED,
    detects,
    difference,
    place,
    seeds,
    styles,
    tables,
)
from lth_bench.analysis.boards.missing import gaps
from lth_bench.analysis.boards.rows import (
    ENTRIES,
    LABEL,
    ON,
    ORDER,
    TASK,
    BoardRow,
    add_places,
    fetch,
    few,
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
    -- densities of each task, the dense run's too; not those that nothing has come to yet
    grid AS (
        SELECT f.task, f.target_density AS density
        FROM counted_rows() f
        WHERE f.control = 'none' AND {where} AND (
            f.status = 'ok'
            OR (is_lost(f.status) OR f.status = 'skipped') AND f.strategy <> 'dense'
        )
        GROUP BY f.task, f.target_density
    ),
    -- the trapezoid rule over log density: each density weighs half the way to its neighbours
    weights AS (
        SELECT
            task, density,
            coalesce((
                ln(coalesce(lag(density) OVER ordered, density))
                - ln(coalesce(lead(density) OVER ordered, density))
            ) / nullif(2 * ln(max(density) OVER whole / min(density) OVER whole), 0), 1) AS weight,
            count(*) FILTER (density < 1) OVER whole AS below,
            bool_or(density = 1) OVER whole AS from_dense
        FROM grid
        WINDOW whole AS (PARTITION BY task), ordered AS (PARTITION BY task ORDER BY density DESC)
    ),
    curves AS (
        SELECT task, list(density ORDER BY density DESC) AS densities FROM grid GROUP BY task
    ),
    sparse AS (
        SELECT
            entry, task, seed, strategy = 'dense' AS dense,
            sum(weight * score) AS area, count(score) = any_value(below) AS whole,
            bool_or(lost) AS lost, bool_or(skipped) AS skipped, bool_or(ended_ok) AS reached
        FROM (
            SELECT
                e.entry, f.task, f.seed, f.strategy, w.below,
                CASE WHEN f.strategy = 'dense' THEN 1 ELSE w.weight END AS weight,
                is_lost(f.status) AS lost, f.status = 'skipped' AS skipped,
                f.status = 'ok' AS ended_ok,
                -- a control that was skipped is none, and no worst value
                CASE
                    WHEN f.status = 'ok' THEN f.value
                    WHEN lost OR skipped AND f.control = 'none' THEN worst_value({metric})
                END AS score
            FROM scored({metric}) f
            JOIN entries e ON e.cell = f.cell
            LEFT JOIN weights w ON w.task = f.task AND w.density = f.target_density
            WHERE (f.target_density < 1 OR f.strategy = 'dense') AND {where}
        )
        GROUP BY entry, task, seed, strategy
    ),
    areas AS (
        SELECT
            l.entry, l.task, l.seed, l.lost, l.skipped, l.reached,
            CASE
                WHEN l.dense THEN CASE WHEN NOT l.lost THEN l.area END
                WHEN l.whole AND w.weight IS NULL THEN l.area
                WHEN l.whole THEN l.area + w.weight * d.value
            END AS area
        FROM sparse l
        LEFT JOIN weights w ON w.task = l.task AND w.density = 1
        LEFT JOIN dense_of({metric}) d ON d.task = l.task AND d.seed = l.seed
    ),
    against AS (
        SELECT a.entry, a.task, a.seed, a.area FROM areas a JOIN base_entries b ON b.entry = a.entry
        UNION ALL
        SELECT NULL, d.task, d.seed, d.value FROM dense_of({metric}) d
        WHERE d.task IN (SELECT unnest($dense_tasks))
    ),
    grouped AS (
        SELECT
            a.entry, count(*) AS planned,
            count(*) FILTER (a.lost) AS lost, count(*) FILTER (a.skipped) AS skipped,
            count(a.area) AS n, avg(a.area) AS mean, stddev_samp(a.area) AS deviation,
            count(a.area - b.area) AS difference_n, avg(a.area - b.area) AS difference,
            stddev_samp(a.area - b.area) AS difference_deviation,
            avg(b.area) FILTER (a.area IS NOT NULL) AS base_mean,
            list(a.seed) AS seeds, list(CASE WHEN NOT a.lost THEN a.area END) AS areas,
            list(a.area IS NOT NULL OR a.lost AND worst_value({metric}) IS NULL) AS known,
            count(*) FILTER (a.area IS NULL AND (a.lost OR a.skipped)) AS gone,
            bool_or(a.reached) AS reached
        FROM areas a
        LEFT JOIN against b
            ON b.task = a.task AND b.seed = a.seed AND b.entry IS DISTINCT FROM a.entry
        GROUP BY a.entry
    )
    SELECT
        {task}, {label},
        g.n, g.mean,
        g.mean - half_width(q.t, g.deviation, g.n) AS low,
        g.mean + half_width(q.t, g.deviation, g.n) AS high,
        g.difference,
        g.difference - half_width(dq.t, g.difference_deviation, g.difference_n) AS difference_low,
        g.difference + half_width(dq.t, g.difference_deviation, g.difference_n) AS difference_high,
        g.difference_n, g.difference_deviation,
        coalesce(v.densities, []) AS densities, g.planned, g.lost, g.skipped,
        g.planned - g.n - CASE
            WHEN worst_value({metric}) IS NULL THEN g.gone
            WHEN c.control = 'none' THEN 0
            ELSE g.skipped
        END AS pending,
        g.seeds, g.areas, g.known, g.entry AS key, g.base_mean, g.reached,
        NULL AS rank, NULL AS rank_low, NULL AS rank_high, NULL AS tied
    FROM grouped g
    JOIN cells c ON c.cell = g.entry
    JOIN tasks t ON t.task = c.task
    LEFT JOIN curves v ON v.task = c.task
    LEFT JOIN t_quantiles q ON q.df = g.n - 1
    LEFT JOIN t_quantiles dq ON dq.df = g.difference_n - 1
    WHERE {shown}
    ORDER BY {order}
"""


def rows(
    con: DuckDBPyConnection, scope: BoardScope, against: Baselines, measure: Measure = ACCURACY
) -> list[BoardRow]:
    """One row a task, label and control, the largest area first.

    `mean`, with its 95% t-interval `low` and `high`, is the mean over `n` seeds of the area under
    the metric against the logarithm of the target density, by the trapezoid rule, divided by
    the width of the range: the metric of an average density. The curve goes from the dense run
    of the same seed (if there is one) over `densities`, the same for all labels of a task. Where
    the method failed, diverged or cannot reach a density, a fraction has its worst value there,
    such as accuracy 0, and any other metric no area; a seed with a density still to come is left
    out, and a label without a ticket at any density has no rank. The dense run's own area is its
    metric. `difference` and the verdict are as in the leaderboard by accuracy. `planned`, `lost`,
    `skipped` and `pending` are seeds.
    """
    sql = SQL.format(
        entries=ENTRIES.format(where=scope.where("c", "tasks", "densities")),
        base_entries=against.entries, metric=quoted(measure.name),
        where=scope.where("f", "tasks", "densities"), shown=scope.where("c"),
        task=TASK, label=LABEL, order=ORDER,
    )  # fmt: skip
    found = fetch(con, sql, {**scope.parameters, **against.parameters})
    if not any(row["strategy"] != "dense" for row in found):
        raise NothingSelected("no ticket has a result yet, so there is no curve to take an area of")
    against.require_common(found, "difference_n")

    def largest_first(row: BoardRow) -> tuple[float, float] | None:
        if not row["reached"] or row["mean"] is None:
            return None  # worst values alone earn no place
        return _gone_share(row, measure), -measure.sign * row["mean"]

    found = ranked(found, largest_first)
    for row in found:
        del row["reached"]
    values = {row["key"]: _by_seed(row) for row in found}
    if few(found, ON):
        add_places(found, ON, values, higher=measure.higher, rules=against.rules)
    return found


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard by area."""
    found = rows(con, scope, against, measure)
    lacking = gaps(con, found, _worst_words(measure))
    found = [with_verdict(row, against, margin, measure) for row in found]
    words = Words.of(measure, against, margin)
    what = ("test accuracy", "accuracy") if measure == ACCURACY else (measure.name, "it")
    in_value = ", in percent" if measure.is_fraction else ""
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    legend = (
        f"area: {what[0]} of an average density{in_value}: the area under {what[1]} against "
        "the logarithm of the density, by the trapezoid rule, divided by the width; mean ± 95% "
        "t-interval over the seeds. #: by it. "
        f"{TIED} Δ: mean difference to "
        f"{against.word}, seed by seed{unit}. {words.legend(against.word)} n: seeds."
    )
    shown = tables(
        found,
        lambda row: header(row, measure),
        lambda row, _: line(row, words, measure),
        lambda members: [
            *against.notes(members),
            *lacking.get(tuple(members[0][key] for key in ON), ()),
        ],
        lambda row: _range(row) if measure == ACCURACY else f"{measure.name}, {_range(row)}",
    )
    return Board("leaderboard", found, shown, legend)


def header(row: BoardRow, measure: Measure = ACCURACY) -> tuple[str, ...]:
    """Of the table of a row's task."""
    return (
        "#", "strategy", f"area {measure.value_unit}".rstrip(), f"Δ {versus(row)}", "verdict",
        "detects", "n",
    )  # fmt: skip


def line(row: BoardRow, words: Words, measure: Measure = ACCURACY) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    area = "" if row["mean"] is None else measure.with_half(row["mean"], row["high"])
    verdict = words.cell(row)
    return (
        Cell(place(row), mine),
        name(row, mine),
        Cell(area, mine),
        difference(row, verdict.style or whole, measure),
        verdict,
        detects(row, whole, measure),
        Cell(seeds(row), whole),
    )


def _range(row: BoardRow) -> str:
    shown = [kept(density) for density in row["densities"]]
    if len(shown) < 2:
        return f"density {shown[0]}%" if shown else "nothing yet"
    return f"density {shown[0]} to {shown[-1]}%, {len(shown)} levels"


def _by_seed(row: BoardRow) -> dict[int, float | None]:
    """Areas; None where the method lost the seed. Seeds still to come are left out."""
    columns = zip(row.pop("seeds"), row.pop("areas"), row.pop("known"), strict=True)
    return {seed: area for seed, area, known in columns if known}


def _gone_share(row: BoardRow, measure: Measure) -> float:
    """Where a metric has no worst value: the fraction of seeds that lack a density for good."""
    gone = row["lost"] + row["skipped"]
    return gone / (row["n"] + gone) if measure.worst is None and gone else 0.0


def _worst_words(measure: Measure) -> str:
    """What a lost seed counts as."""
    if measure.worst is None:
        return "ranks behind the others"
    what = "accuracy" if measure == ACCURACY else measure.name
    return f"counted as {what} {measure.worst:g}"
