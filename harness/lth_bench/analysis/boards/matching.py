"""The leaderboard by the sparsest density at which a ticket matches the baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import named_by
from lth_bench.analysis.boards.layout import (
    difference,
    place,
    styles,
    tables,
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
from lth_bench.analysis.numbers import kept, ratio
from lth_bench.analysis.table import Board, Cell, Line
from lth_bench.errors import NothingSelected
from lth_bench.stats.sequential import ALIKE, LEVEL
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

USUAL_LEVELS = (0.95, 0.95)
"""Of the one-sided test and of the intervals."""
LOOK_LEVELS = (1 - ALIKE, LEVEL)
"""The same where the number of seeds depends on results."""

SQL = """
    WITH base AS ({base}),
    {entries},
    -- where the number of seeds depends on results, those of a look
    quantiles AS (
        SELECT false AS adaptive, unnest($df) AS df, unnest($t) AS one, unnest($t_two) AS two
        UNION ALL SELECT true, unnest($df), unnest($t_look), unnest($t_look_two)
    ),
    counted AS (
        SELECT
            f.cell, count(*) AS planned, count(*) FILTER (f.ok) AS ok, count(f.difference) AS n,
            avg(f.difference) AS mean, $sign * mean AS gain,
            greatest(stddev_samp(f.difference), half_step({metric}, min(f.test_examples)))
                AS deviation,
            -- a relative margin is one of the baseline's mean
            CASE
                WHEN $relative THEN greatest(any_value(f.stated) * abs(avg(f.base)), 1e-12)
                ELSE any_value(f.stated)
            END AS margin, any_value(f.adaptive) AS adaptive,
            $roundoff * greatest(1, coalesce(abs(avg(f.base)), 1)) AS roundoff
        FROM (
            SELECT
                f.cell, f.status = 'ok' AS ok, f.test_examples, m.margin AS stated, m.adaptive,
                CASE WHEN ok AND f.value IS NOT NULL THEN b.value END AS base,
                CASE WHEN ok THEN f.value - b.value END AS difference
            FROM scored({metric}) f
            JOIN {margins} m ON m.task = f.task
            LEFT JOIN base b
                ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
                AND (b.label IS NULL OR b.label <> f.label OR b.control <> f.control)
            WHERE {where}
        ) f
        GROUP BY f.cell
    ),
    without AS (
        SELECT
            cell,
            count(*) FILTER (is_lost(status)) AS lost, count(*) FILTER (is_lost(status)) AS failed,
            count(*) FILTER (status = 'skipped') AS skipped
        FROM counted_rows() WHERE status NOT IN ('ok', 'planned') GROUP BY cell
    ),
    told AS (
        SELECT
            e.entry, c.target_density AS density, k.*, coalesce(w.lost, 0) AS lost,
            coalesce(w.failed, 0) AS failed, coalesce(w.skipped, 0) AS skipped,
            -- a density at which a seed was lost, or that cannot be reached, matches nothing
            CASE WHEN w.lost + w.skipped > 0 THEN NULL ELSE k.gain END AS counts,
            k.n >= $least
                AND counts - half_width(q.one, k.deviation, k.n) > -k.margin AS shown,
            counts >= -k.roundoff AS even,
            counts + coalesce(half_width(q.two, k.deviation, k.n), 0) >= -k.roundoff AS possible
        FROM counted k
        JOIN cells c ON c.cell = k.cell
        JOIN entries e ON e.cell = k.cell
        LEFT JOIN without w ON w.cell = k.cell
        LEFT JOIN quantiles q ON q.df = k.n - 1 AND q.adaptive = k.adaptive
        WHERE c.strategy <> 'dense' AND c.target_density < 1
    ),
    found AS (
        SELECT
            entry,
            min(density) FILTER (shown) AS shown_density,
            min(density) FILTER (even) AS even_density,
            min(density) FILTER (possible) AS possible_density,
            min(density) AS sparsest_density,
            coalesce(shown_density, even_density, possible_density) AS at_density,
            max(n) AS compared, sum(planned)::BIGINT AS planned, sum(lost)::BIGINT AS lost,
            sum(failed)::BIGINT AS failed, sum(skipped)::BIGINT AS skipped,
            sum(planned - ok - failed - skipped)::BIGINT AS pending
        FROM told GROUP BY entry
    ),
    costs AS (
        SELECT
            f.cell, avg(f.total_flops_dense / nullif(d.flops_dense, 0)) AS flops_ratio,
            avg(f.total_flops_masked_theoretical / nullif(d.flops_dense, 0)) AS flops_masked_ratio
        FROM scored({metric}) f
        JOIN (
            SELECT t.cell FROM told t JOIN found x ON x.entry = t.entry AND x.at_density = t.density
        ) USING (cell)
        JOIN dense_of({metric}) d ON d.task = f.task AND d.seed = f.seed
        WHERE f.status = 'ok'
        GROUP BY f.cell
    )
    SELECT
        {task}, {label},
        x.shown_density, x.even_density, x.possible_density, x.sparsest_density, x.at_density,
        a.mean AS difference,
        a.mean - half_width(q.two, a.deviation, a.n) AS difference_low,
        a.mean + half_width(q.two, a.deviation, a.n) AS difference_high,
        coalesce(a.n, 0) AS difference_n,
        o.flops_ratio, o.flops_masked_ratio,
        x.planned, x.failed, x.skipped, x.pending, x.lost,
        u.n AS undecided_n, u.gain AS undecided_gain, a.margin AS at_margin,
        u.margin AS undecided_margin,
        CASE WHEN u.n > 1 THEN u.deviation END AS undecided_deviation,
        x.compared, c.tuned_from, c.tuning_steps
    FROM found x
    JOIN cells c ON c.cell = x.entry
    JOIN tasks t ON t.task = c.task
    LEFT JOIN told a ON a.entry = x.entry AND a.density = x.at_density
    LEFT JOIN told u
        ON u.entry = x.entry AND u.density = x.even_density
        AND u.density < coalesce(x.shown_density, 2)
    LEFT JOIN costs o ON o.cell = a.cell
    LEFT JOIN quantiles q ON q.df = a.n - 1 AND q.adaptive = a.adaptive
    ORDER BY {order}
"""


def rows(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> list[BoardRow]:
    """One row a task, label and control; the label that matches at the sparsest density first.

    Three densities, fractions, None where there is no such one, each density judged by itself:
    `shown_density`, the sparsest at which the metric is shown to be not worse than the
    baseline's by more than `margin` (one-sided paired t-test at 95%, three seeds at least);
    `even_density`, the sparsest at which it is not worse on average; `possible_density`,
    the sparsest at which its 95% interval reaches 0. Where seeds were added until decided, test
    and intervals have the level of a look instead. No density counts at which a seed failed,
    diverged or was skipped. `sparsest_density` is the sparsest planned. At `at_density`, the first
    of the three that there is: `difference` with its interval and its `difference_n` pairs,
    `flops_ratio` and `flops_masked_ratio`. `undecided`: whether more seeds could show
    `even_density`, sparser than the one shown, from its `even_n` pairs; `n50` and `n80`: by how
    many that is likely to be settled, in one and in four of five cases, None for more than 100.
    `planned`, `failed`,
    `skipped`, `pending` and `lost` are counts over all densities; `compared`, the seeds that can
    be compared at most at one.
    """
    from scipy.special import stdtrit

    from lth_bench.stats.curve import ROUNDOFF
    from lth_bench.stats.verdict import LEAST

    df = [d for (d,) in con.execute("SELECT df FROM t_quantiles ORDER BY df").fetchall()]
    where = scope.where("f")
    quantiles = {
        f"t{look}{two}": (1 + level) / 2 if two else level
        for look, levels in (("", USUAL_LEVELS), ("_look", LOOK_LEVELS))
        for two, level in zip(("", "_two"), levels, strict=True)
    }
    sql = SQL.format(
        base=against.base(measure), margins=against.task_margins, metric=quoted(measure.name),
        entries=ENTRIES.format(where=scope.where("c")), where=where,
        task=TASK, label=LABEL, order=ORDER,
    )  # fmt: skip
    found = fetch(con, sql, {
        **scope.parameters, **against.parameters, "least": LEAST, "sign": measure.sign,
        **against.margin_parameters(measure, margin), "relative": not measure.is_fraction,
        "roundoff": ROUNDOFF, "df": df,
        **{name: [float(t) for t in stdtrit(df, at)] for name, at in quantiles.items()},
    })  # fmt: skip
    if not found:
        raise NothingSelected("there is no ticket yet that could match anything")
    against.require_common(found, "compared")
    return ranked([_finished(row, against, margin, measure) for row in found], _sparsest_first)


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard by matching density."""
    found = rows(con, scope, against, margin, measure)
    worse = "below" if measure.higher else "above"
    one_sided, two_sided = _levels(against)
    unit = f"in {measure.difference_unit}, " if measure.difference_unit else ""
    legend = (
        "shown: sparsest density, in percent of the weights, at which the "
        f"{'accuracy' if measure == ACCURACY else measure.name} is shown to be less than "
        f"{against.margin_words(measure, margin, against.word)} {worse} {against.word} (one-sided "
        f"paired t-test at {one_sided}, each density separately, at least three seeds). even: "
        f"sparsest at which it is not {worse} on average. possible: sparsest at which the "
        f"{two_sided} interval of the difference still includes 0. Densities at which a seed "
        "failed, or that cannot be reached, do not count. ≤: the sparsest density planned, so the "
        "true one may be lower. #: by these three in turn. Δ, n, FLOPs: at the first of the three "
        "that exists; "
        f"Δ {unit}n in pairs of seeds, FLOPs of search and training, if pruned weights cost "
        "nothing, as a multiple of the dense run's. settles: how many seeds would settle the even "
        "density in 1 of 2 and in 4 of 5 cases."
    )
    if against.rules:
        legend += (
            " Where seeds were added until decided the levels are those of one look, 99.28% and "
            "99.36%, and n are the seeds that all labels of the task have."
        )
    shown = tables(
        found,
        header,
        lambda row, _: line(row, measure),
        lambda members: [
            *against.notes(members),
            *outstanding(members, scope),
        ],
    )
    return Board("leaderboard", found, shown, legend + tuning_legend(found))


def header(row: BoardRow) -> tuple[str, ...]:
    """Of the table of a row's task."""
    return (
        "#", "strategy", "shown %", "even %", "possible %", f"Δ {versus(row)}", "n",
        "settles", "FLOPs",
    )  # fmt: skip


def line(row: BoardRow, measure: Measure = ACCURACY) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    return (
        Cell(place(row), mine),
        name(row, mine),
        *(
            Cell(_limit(row[f"{which}_density"], row["sparsest_density"]), style)
            for which, style in (("shown", mine), ("even", whole), ("possible", whole))
        ),
        difference(row, whole, measure),
        Cell(str(row["difference_n"]), whole),
        Cell(_settles(row), whole),
        Cell("" if (x := row["flops_masked_ratio"]) is None else ratio(x), whole),
    )


def _levels(against: Baselines) -> tuple[str, str]:
    """Of the one-sided test and of the intervals, in words; of suites of both kinds both."""
    fixed, added = against.of.keys() - against.rules.keys(), against.rules
    kinds = [USUAL_LEVELS] * bool(fixed) + [LOOK_LEVELS] * bool(added)
    one, two = (" or ".join(f"{100 * levels[i]:.4g}%" for levels in kinds) for i in (0, 1))
    return one, two


def _sparsest_first(row: BoardRow) -> tuple[float, ...] | None:
    densities = [row[f"{which}_density"] for which in ("shown", "even", "possible")]
    return None if not any(densities) else tuple(d or math.inf for d in densities)


def _settles(row: BoardRow) -> str:
    from lth_bench.stats import Forecast
    from lth_bench.stats.verdict import LEAST, short_outlook

    if not row["undecided"]:
        return ""
    if row["even_n"] < LEAST:
        return f"{LEAST}+"
    return short_outlook(row["even_n"], Forecast(row["n50"], row["n80"]))


def _limit(density: float | None, sparsest: float) -> str:
    if density is None:
        return "–"
    return ("≤" if density == sparsest else "") + kept(density)


def _finished(
    row: BoardRow, against: Baselines, margin: float | None, measure: Measure
) -> BoardRow:
    from lth_bench.stats import Forecast, Summary, forecast
    from lth_bench.stats.predictive import beyond
    from lth_bench.stats.verdict import LEAST

    row["compared"] = row["compared"] or 0
    n, gain, deviation, size = (
        row.pop(f"undecided_{key}") for key in ("n", "gain", "deviation", "margin")
    )
    found = Forecast(None, None)
    if deviation and n >= LEAST:
        level, _ = LOOK_LEVELS if row["suite"] in against.rules else USUAL_LEVELS
        found = forecast(Summary(n, gain, deviation), beyond(-size, level))
    own = row.pop("at_margin")
    given = against.margin_of(row["suite"], margin, measure)
    stated = measure.margin(given, 0.0) if measure.is_fraction else None
    row |= {
        "baseline": against.name(row["suite"]),
        "margin": own if stated is None else stated,
        "undecided": n is not None, "even_n": n, "n50": found.n50, "n80": found.n80,
    }  # fmt: skip
    return row | named_by(measure)
