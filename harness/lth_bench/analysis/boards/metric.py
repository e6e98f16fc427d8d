"""The leaderboard by a metric, per task and density: by default by test accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.answers import OTHER_DATA
from lth_bench.analysis.boards import other_data
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.censoring import LEGEND, add_censoring, bounded, counted
from lth_bench.analysis.boards.decided import decided
from lth_bench.analysis.boards.judging import (
    Words,
    adaptive_legend,
    images,
    step_of,
    with_verdict,
)
from lth_bench.analysis.boards.layout import (
    TIED,
    detects,
    difference,
    place,
    seeds,
    styles,
    tables,
    tuning_legend,
)
from lth_bench.analysis.boards.missing import outstanding
from lth_bench.analysis.boards.notes import marked
from lth_bench.analysis.boards.rows import (
    BoardRow,
    add_places,
    fetch,
    few,
    name,
    versus,
    without_result,
)
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.numbers import count, kept, ratio
from lth_bench.analysis.table import Board, Cell, Line, Style
from lth_bench.store.metric import ON_TEST_EXAMPLES
from lth_bench.store.schema import leaderboard_sql, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BLOCK = ("suite", "model", "dataset", "recipe", "target_density")

SQL = """
    SELECT
        * EXCLUDE (base_mean, cell), base_mean, cell AS key,
        NULL AS rank_low, NULL AS rank_high, NULL AS tied
    FROM ({leaderboard})
    ORDER BY suite, model, dataset, recipe, target_density DESC, rank NULLS LAST,
        label, source_model, source_dataset, source_recipe, control <> 'none', control
"""


def rows(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> list[BoardRow]:
    """One row a task, target density, label and control, best first within a density.

    The columns of the view `leaderboard`, `n` to `rank` and `delta_*` of the metric, then: `lost`
    (seeds that failed or diverged); `baseline` and the mean `difference` to it, with its 95%
    t-interval `difference_low`, `difference_high` and its `difference_n` pairs; `margin`,
    `verdict`, `verdict_text`, `p` (paired t), `within_margin`, `detectable` (difference that so
    many seeds show with 80% power), `n50` and `n80` (seeds by which an open verdict is likely to
    be settled); `rank_low` and `rank_high`, the 95% confidence interval of the rank, and `tied`,
    whether the best of the density is not shown to be better; and the columns of `other_data`. A
    deviation of accuracies counts as half of 1 / `test_examples` at least.

    Where seeds were added until decided, the verdict and the difference are those of all pairs of
    seeds, and three columns tell how (`decided.decided`); all else is over the seeds that all
    labels of the task have.
    """
    metric = quoted(measure.name)
    query = leaderboard_sql(
        metric,
        f"SELECT * FROM scored({metric}) f WHERE {scope.where('f')}",
        f"SELECT * FROM dense_of({metric}) d WHERE {scope.where('d', 'tasks')}",
        against.base(measure),
    )
    found = fetch(con, SQL.format(leaderboard=query), {**scope.parameters, **against.parameters})
    against.require_common(found, "difference_n")
    if few(found, BLOCK):
        values, step = _values(con, found, measure), step_of(measure)
        add_places(found, BLOCK, values, step, measure.higher, rules=against.rules)
    other_data.add_other_data(con, found, scope, against, measure)
    add_censoring(con, found, against, measure)
    judged = [with_verdict(row, against, margin, measure) for row in found]
    return decided(con, judged, against, margin, measure)


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard by a metric."""
    found = rows(con, scope, against, margin, measure)
    words = Words.of(measure, against, margin)
    wider = other_data.shown(found)
    shown = tables(
        found,
        lambda row: header(row, measure, wider),
        lambda row, first: line(row, first, words, measure, wider=wider),
        lambda members: [
            *against.notes(members), *outstanding(members, scope), *counted(members),
            *other_data.notes(members),
        ],
    )  # fmt: skip
    said = legend(words, against.word, found, measure) + tuning_legend(found)
    said += other_data.LEGEND if wider else ""
    if any(row.get("censored") for row in found):
        said += LEGEND
    return Board("leaderboard", found, shown, said + adaptive_legend(found))


def header(row: BoardRow, measure: Measure = ACCURACY, wider: bool = False) -> tuple[str, ...]:
    """Of the table of a row's task; `wider` with the interval for other test data."""
    return (
        "density %", "#", "strategy", measure.column, f"Δ {versus(row)}",
        *([OTHER_DATA] if wider else []), "verdict", "detects", "n", "stop", "steps",
        "FLOPs",
    )  # fmt: skip


def legend(words: Words, against: str, rows: list[BoardRow], measure: Measure = ACCURACY) -> str:
    """What the columns mean."""
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    return (
        "density: weights remaining; in brackets after a strategy (where space is short: *) those "
        "it really keeps, where a structured method lands below the target. "
        f"#: by {measure.short}. {TIED} "
        f"{measure.short}: {_measured_on(measure)}mean ± 95% t-interval over the seeds"
        f"{_generality(rows, measure)}. Δ: mean difference to {against}, seed by seed{unit}. "
        f"{words.legend(against)} n: seeds. stop: early-stopping step, the one of "
        "minimum validation loss, counted from the start of the schedule. steps: of the "
        "ticket's training and of the search for it. FLOPs: of both, if pruned weights cost "
        "nothing, as a multiple of the dense run's."
    )


def line(
    row: BoardRow, first: bool, words: Words, measure: Measure = ACCURACY, *, wider: bool = False
) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    verdict = words.cell(row)
    steps = row["steps"] + row["search_steps"] if row["n"] else None
    return (
        Cell(kept(row["target_density"]) if first else "", "strong"),
        Cell(place(row), mine),
        name(row, mine),
        _marked(_mean(row, mine, measure), row),
        difference(row, verdict.style or whole, measure),
        *([other_data.half(row, whole, measure)] if wider else []),
        verdict,
        detects(row, whole, measure),
        Cell(seeds(row), whole),
        *(Cell(count(x) if row["n"] else "", whole) for x in (row["early_stop_step"], steps)),
        Cell("" if (x := row["flops_masked_ratio"]) is None else ratio(x), whole),
    )


def _measured_on(measure: Measure) -> str:
    """`test, ` of the accuracy on the test split; of other metrics their name says it."""
    if measure == ACCURACY:
        return "test, "
    return f"{measure.direction}; "


def _generality(rows: list[BoardRow], measure: Measure) -> str:
    if measure.split != "test":
        return ""
    said = f", on {images(rows)}: what other seeds would give there, not what other test data would"
    if measure.name in ON_TEST_EXAMPLES or other_data.shown(rows):
        return said
    return f"{said} (which is not known: {measure.short} is not a fraction of test examples)"


def _values(
    con: DuckDBPyConnection, rows: list[BoardRow], measure: Measure
) -> dict[int, dict[int, float | None]]:
    """The metric by row and seed; None where the method lost the seed."""
    return {
        cell: dict(zip(seeds, values, strict=True))
        for cell, seeds, values in con.execute(
            f"""
            SELECT cell, list(seed), list(CASE WHEN status = 'ok' THEN value END)
            FROM scored({quoted(measure.name)})
            WHERE cell IN (SELECT unnest($cells)) AND (
                status = 'ok' AND value IS NOT NULL OR is_lost(status)
            )
            GROUP BY cell
            """,
            {"cells": [row["key"] for row in rows if row["rank"] is not None]},
        ).fetchall()
    }


def _marked(cell: Cell, row: BoardRow) -> Cell:
    short = None if cell.short is None else marked(cell.short, row)
    return Cell(marked(cell.text, row), cell.style, short)


def _mean(row: BoardRow, style: Style, measure: Measure) -> Cell:
    if row["mean"] is None:
        return Cell(without_result(row), "warn")
    text = bounded(measure.with_half(row["mean"], row["high"], row["low"]), row)
    return Cell(text, style, text.replace(" ± ", "±").replace("≥ ", "≥"))
