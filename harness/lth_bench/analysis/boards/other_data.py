"""The second interval of a leaderboard's rows: on other test examples too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lth_bench.analysis.answers import (
    NO_FRACTION,
    NO_RESULT,
    NOT_RECORDED,
    OLD,
    ONE_SEED,
    SOME,
    of_difference,
    of_mean,
)
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import step_of
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.table import Cell, Style
from lth_bench.stats import Interval, Summary
from lth_bench.store.metric import ON_TEST_EXAMPLES
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_ANSWERS = 50_000_000
"""Answers of a board's tickets, one a test example, up to which they are read: about a second. A
row of five seeds takes 52 µs at 500 examples and 850 µs at 10,000 (one core of an EPYC)."""
COLUMNS = (
    "other_data_low", "other_data_high", "difference_other_data_low", "difference_other_data_high",
    "other_data_missing",
)  # fmt: skip
RECORDED = "SELECT 1 FROM answers WHERE metric = ? LIMIT 1"
LEGEND = (
    " ± other data: half-width of Δ's 95% interval for other seeds and other test data; the "
    "verdict is about other seeds on these."
)

PAIRED = """
    SELECT
        f.cell AS key, f.seed, f.test_examples, f.ticket_id, f.value,
        b.ticket_id AS base_ticket, b.value AS base_value
    FROM scored({metric}) f
    LEFT JOIN ({base}) b
        ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
    WHERE f.status = 'ok' AND f.value IS NOT NULL AND {where}
"""
"""Tickets, and those of the suite's baseline, by cell."""

SQL = """
    WITH pairs AS ({paired}),
    known AS (SELECT ticket_id, bits FROM answers WHERE metric = {metric})
    SELECT
        f.key, any_value(f.test_examples),
        min(f.test_examples) = max(f.test_examples),
        list(o.bits ORDER BY f.seed), list(f.value ORDER BY f.seed),
        list(p.bits ORDER BY f.seed) FILTER (f.value - f.base_value IS NOT NULL),
        list(o.bits ORDER BY f.seed) FILTER (f.value - f.base_value IS NOT NULL),
        list(f.value - f.base_value ORDER BY f.seed) FILTER (f.value - f.base_value IS NOT NULL)
    FROM pairs f
    LEFT JOIN known o ON o.ticket_id = f.ticket_id
    LEFT JOIN known p ON p.ticket_id = f.base_ticket
    GROUP BY f.key
"""


def add_other_data(
    con: DuckDBPyConnection,
    rows: Sequence[BoardRow],
    scope: BoardScope,
    against: Baselines,
    measure: Measure,
) -> None:
    """Set COLUMNS of rows that have a `key`, the cell: the ends of the intervals of `mean` and
    `difference` for other seeds and other test examples, in the unit of the values.

    `other_data_missing` says why there is none of the difference, or of the mean where there is no
    difference.
    """
    paired = PAIRED.format(
        base=against.base(measure), metric=quoted(measure.name), where=scope.where("f")
    )
    add_of_pairs(con, rows, paired, {**scope.parameters, **against.parameters}, measure)
    for row in rows:
        if against.has(row):  # nothing is compared with itself
            row |= dict.fromkeys(COLUMNS[2:4])


def add_of_pairs(
    con: DuckDBPyConnection,
    rows: Sequence[BoardRow],
    paired: str,
    parameters: Mapping[str, object],
    measure: Measure,
) -> None:
    """The same for any pairs: `paired` is a query with the columns of `PAIRED` and these
    parameters; its `key` is that of a row.
    """
    too_many = False
    recorded = con.execute(RECORDED, [measure.name]).fetchone() is not None
    if not recorded and measure.name not in ON_TEST_EXAMPLES:
        why = NO_FRACTION.format(metric=measure.name)
    elif too_many := sum(r["n"] * (r["test_examples"] or 0) for r in rows) > MOST_ANSWERS:
        why = "too many tickets at once; choose some with --suite, --task or --density"
    else:
        why = NOT_RECORDED
    for row in rows:
        row.update(dict.fromkeys(COLUMNS))
        row["other_data_missing"] = why
    if not recorded or too_many:
        return
    sql = SQL.format(paired=paired, metric=quoted(measure.name))
    by_key = {key: rest for key, *rest in con.execute(sql, dict(parameters)).fetchall()}
    step = step_of(measure)
    for row in rows:
        if row["key"] not in by_key:
            row["other_data_missing"] = NO_RESULT
            continue
        size, same, own, values, base, paired_own, differences = by_key[row["key"]]
        examples = size if same else None
        row["other_data_missing"] = NOT_RECORDED
        if len(differences or values) < 2:
            row["other_data_missing"] = ONE_SEED
        if values:
            summary = Summary.of(values).floored(step(row))
            _put(row, "other_data", of_mean(summary, own, examples))
        if differences:
            summary = Summary.of(differences).floored(step(row))
            wider = of_difference(summary, paired_own, base, examples)
            _put(row, "difference_other_data", wider)
        if row[f"{'difference_' * bool(differences)}other_data_high"] is not None:
            row["other_data_missing"] = None


def _put(row: BoardRow, name: str, interval: Interval | None) -> None:
    if interval is not None:
        row |= {f"{name}_low": interval.low, f"{name}_high": interval.high}


def shown(rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether a board has the column."""
    return any(row.get("difference_other_data_high") is not None for row in rows)


def half(row: BoardRow, style: Style, measure: Measure) -> Cell:
    """The half-width of a row's second interval of the difference."""
    high = row.get("difference_other_data_high")
    return Cell("" if high is None else measure.value(high - row["difference"]), style)


def notes(rows: Sequence[BoardRow]) -> list[str]:
    """Why rows of a task have no second interval, where other versions would have recorded it."""
    asked = [row for row in rows if row["difference_high"] is not None]
    lacking = [row for row in asked if row["other_data_missing"] == NOT_RECORDED]
    if not lacking:
        return []
    return [OLD if len(lacking) == len(asked) else SOME]
