"""Rows as SQL gives them: whom a row is about, and its rank among the others."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.numbers import kept
from lth_bench.analysis.samples import display_name
from lth_bench.analysis.table import Cell, Style
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BoardRow = dict[str, Any]
"""Column → value: accuracies and densities as fractions, None where there is nothing to say."""

ON = ("suite", "model", "dataset", "recipe")
"""Columns that name a task."""

TASK = """t.suite, t.model, t.dataset, t.recipe,
        c.source_model, c.source_dataset, c.source_recipe"""
LABEL = "c.strategy, c.label, c.control"
"""Columns that name a task and a label on it, of `tasks t` and `cells c`."""

ENTRIES = """
    entries AS (
        SELECT entry, unnest(cells) AS cell FROM (
            SELECT min(c.cell) AS entry, list(c.cell) AS cells
            FROM cells c WHERE {where}
            GROUP BY c.task, c.source_model, c.source_dataset, c.source_recipe,
                c.strategy, c.label, c.control
        )
    )"""
"""The relation `entries`: a number for each label and control on a task, over its densities."""

ORDER = """t.suite, t.model, t.dataset, t.recipe, c.label, c.source_model, c.source_dataset,
    c.source_recipe, c.control <> 'none', c.control"""
"""Order of rows that are ranked later."""

BELOW_TARGET = 0.005
"""A ticket whose density differs from its target by more, relatively, is no like-for-like row."""


MOST_PAIRS = 10_000
"""Of labels tested; 17 µs each. Beyond that, rows have a rank and no interval of it."""


def fetch(con: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> list[BoardRow]:
    """The rows of a query."""
    found = con.execute(sql, dict(parameters))
    columns = [column[0] for column in found.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in found.fetchall()]


def ranked(
    rows: Iterable[BoardRow], key: Callable[[BoardRow], Any], block: Sequence[str] = ON
) -> list[BoardRow]:
    """The rows with their `rank` within the columns of `block`, best (smallest key) first.

    Equal keys share a rank. A key of None is unranked and last; so are controls and dense runs,
    which come before all. The order is otherwise kept.
    """
    found: list[BoardRow] = []
    for _, group in groupby(rows, key=itemgetter(*block)):
        members = [(None if _apart(row) else key(row), row) for row in group]
        keys = sorted(k for k, _ in members if k is not None)
        for k, row in members:
            row["rank"] = None if k is None else bisect_left(keys, k) + 1
        found += sorted(
            (row for _, row in members),
            key=lambda r: (r["strategy"] != "dense", r["rank"] is None, r["rank"] or 0),
        )
    return found


def lost_share(row: BoardRow) -> float:
    """The fraction of seeds lost. Where a metric has no worst value, fewer are better, whatever the
    mean of the others: the same rule as in leaderboard.sql.
    """
    return float(row["lost"] / (row["n"] + row["lost"])) if row["lost"] else 0.0


def _apart(row: BoardRow) -> bool:
    return bool(row["control"] != "none" or row["strategy"] == "dense")


def add_places(
    rows: list[BoardRow],
    block: Iterable[str],
    values: Mapping[int, Mapping[int, float | None]],
    step: Callable[[BoardRow], float] = lambda _: 0.0,
    higher: bool = True,
    *,
    rules: Collection[str] = (),
) -> None:
    """Set `rank_low`, `rank_high` and `tied` of the ranked rows, within the columns of `block`.

    `tied` says whether the best is not shown to be better; None below three seeds.

    `values` are each row's by seed, under the row's `key`; None is a seed that the method lost.
    `step` is the distance of two values of a row, `higher` whether larger ones are better. In the
    suites of `rules` the number of seeds depends on results, so that each test has the level of 14
    looks together.
    """
    from lth_bench.stats import may_be_best, rank_intervals
    from lth_bench.stats.sequential import OVER_LOOKS
    from lth_bench.stats.verdict import LEAST

    for _, group in groupby(_ranked(rows), key=itemgetter(*block)):
        members = list(group)
        by_row = {row["key"]: values[row["key"]] for row in members}
        level = OVER_LOOKS if members[0]["suite"] in rules else 0.95
        options: Any = {"higher": higher, "step": max(map(step, members)), "level": level}
        found = rank_intervals(by_row, **options)
        leader = min(members, key=itemgetter("rank"))
        tied = may_be_best(by_row, leader["key"], **options)
        for row in members:
            row["rank_low"], row["rank_high"] = found[row["key"]]
            row["tied"] = row["key"] in tied if min(row["n"], leader["n"]) >= LEAST else None


def few(rows: Iterable[BoardRow], block: Iterable[str]) -> bool:
    """Whether there are few enough pairs to test."""
    sizes = (sum(1 for _ in group) for _, group in groupby(_ranked(rows), key=itemgetter(*block)))
    return sum(math.comb(size, 2) for size in sizes) <= MOST_PAIRS


def _ranked(rows: Iterable[BoardRow]) -> list[BoardRow]:
    return [r for r in rows if r["rank"] is not None and r["strategy"] != "dense"]


def who(row: BoardRow) -> tuple[str, ...]:
    """What a ticket and its controls have in common."""
    return (row["label"], row["source_model"], row["source_dataset"], row["source_recipe"])


def name(row: BoardRow, style: Style) -> Cell:
    """The label, with what sets the ticket apart; of a control, the control."""
    if row["control"] != "none":
        return Cell(printable(f"└ {row['control']}"), style)
    found = printable(display_name(str(row["label"]), origin=origin(row)))
    below = landed(row)
    return Cell(found + below, style, short=f"{found}*") if below else Cell(found, style)


def landed(row: BoardRow) -> str:
    """What follows a name whose density is not the one asked for: ` (20.30%)`; else empty."""
    reached, target = row.get("density"), row.get("target_density")
    if reached is None or not target or abs(reached - target) <= BELOW_TARGET * target:
        return ""
    return f" ({kept(reached)}%)"


def without_result(row: BoardRow) -> str:
    """What stands for the mean where no seed has one: `1 failed, 2 to come`."""
    words = (("failed", "failed"), ("skipped", "skipped"), ("pending", "to come"))
    return ", ".join(f"{row[key]} {word}" for key, word in words if row[key])


def versus(row: BoardRow) -> str:
    """What a row is compared with, as in a header."""
    return printable(row["baseline"] or "–")


def full_name(row: BoardRow) -> str:
    """The label with its control and its origin: `imp/reinit`, `imp from mnist`."""
    return printable(display_name(row["label"], row["control"], origin(row)))


def origin(row: BoardRow) -> str:
    """What the task that a ticket was found on differs in from the row's: `mnist`; else empty."""
    own = (row["model"], row["dataset"], row["recipe"])
    source = (row["source_model"], row["source_dataset"], row["source_recipe"])
    return "/".join(a for a, b in zip(source, own, strict=True) if a != b)
