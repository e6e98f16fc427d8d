"""One score a task and label, of any kind of leaderboard: what a comparison across tasks takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lth_bench.analysis.boards import area, cost, matching, speed
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import LABEL, ON, TASK, Row, fetch, origin
from lth_bench.analysis.boards.scope import Scope

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Scale = Literal["points", "ratio", "rank"]
"""What a difference is: of fractions; of logarithms; or nothing, where only ranks have a sense."""


@dataclass(frozen=True)
class Score:
    """Of a label on a task, over its seeds."""

    suite: str
    task: str
    density: float | None
    """Target density; None where the score is about the whole ladder."""
    strategy: str
    label: str
    """With " from …" where the ticket was found on another task."""
    control: str
    value: float | None
    """None where the label lost: worst."""
    difference: float | None
    """To the baseline; ±∞ where one of the two lost. None where it cannot be told."""


@dataclass(frozen=True)
class Scores:
    """Of one kind of leaderboard."""

    what: str
    """For a legend: what is ranked."""
    higher: bool
    """Whether larger scores are better."""
    scale: Scale
    found: list[Score]


ACCURACY = """
    WITH {base}
    SELECT
        {task}, c.target_density, {label},
        avg(f.accuracy) AS mean, avg(f.accuracy - b.accuracy) AS difference
    FROM (
        SELECT
            f.cell, f.task, f.seed, f.target_density,
            CASE
                WHEN f.status = 'ok' THEN f.test_accuracy
                WHEN f.status IN ('failed', 'diverged', 'skipped') THEN 0
            END AS accuracy
        FROM flat f WHERE {where}
    ) f
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN base b
        ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
    GROUP BY ALL
    HAVING mean IS NOT NULL
"""


def accuracy_scores(con: DuckDBPyConnection, scope: Scope, against: Baselines) -> Scores:
    """Mean test accuracy at each density; 0 at seeds that the method lost or cannot reach."""
    sql = ACCURACY.format(base=against.sql, where=scope.where("f"), task=TASK, label=LABEL)
    rows = fetch(con, sql, {**scope.parameters, **against.parameters})
    against.require_common([r | {"pairs": r["difference"] is not None} for r in rows], "pairs")
    found = [_score(row, row["mean"], row["difference"]) for row in rows]
    return Scores("test accuracy", True, "points", found)


def area_scores(con: DuckDBPyConnection, scope: Scope, against: Baselines) -> Scores:
    """Mean area under the accuracy-density curve."""
    rows = area.rows(con, scope, against)
    found = [_score(r, r["mean"], r["difference"]) for r in rows if r["mean"] is not None]
    return Scores("area under accuracy against log density", True, "points", found)


def speed_scores(con: DuckDBPyConnection, scope: Scope, against: Baselines) -> Scores:
    """Mean early-stop step at each density; lost where the method lost or skipped a seed."""
    found = []
    for row in speed.rows(con, scope, against, speed.MARGIN):
        lost = row["lost"] + row["skipped"] > 0
        if not lost and row["early_stop_step"] is None:
            continue
        difference = math.log(row["ratio"]) if row["ratio"] else None
        found.append(
            _score(row, None if lost else row["early_stop_step"], math.inf if lost else difference)
        )
    return Scores("early-stop step", False, "ratio", found)


def matching_scores(
    con: DuckDBPyConnection, scope: Scope, against: Baselines, margin: float
) -> Scores:
    """Sparsest density that is shown, or on average, not worse than the baseline; lost if none."""
    found = []
    for row in matching.rows(con, scope, against, margin):
        if row["compared"]:
            known = [d for d in (row["shown_density"], row["even_density"]) if d is not None]
            found.append(_score(row, min(known, default=None), None))
    return Scores("sparsest shown or even density", False, "rank", found)


def cost_scores(
    con: DuckDBPyConnection, scope: Scope, against: Baselines, margin: float, reach: float | None
) -> Scores:
    """FLOPs to reach the accuracy; lost where a seed does not reach it at any density."""
    rows = [r for r in cost.rows(con, scope, against, margin, reach) if r["planned"] > r["pending"]]
    base = {_task(row): _cost(row) for row in rows if against.has(row)}
    found = []
    for row in rows:
        baseline = against.of[row["suite"]]
        there = 1.0 if baseline is not None and baseline.dense else base.get(_task(row), math.nan)
        found.append(_score(row, _cost(row), _log_ratio(_cost(row), there)))
    return Scores("FLOPs to reach the accuracy", False, "ratio", found)


def _score(row: Row, value: float | None, difference: float | None) -> Score:
    suite, *task = _task(row)
    return Score(
        suite, "/".join(task), row.get("target_density"), row["strategy"],
        row["label"] + origin(row), row["control"], value, difference,
    )  # fmt: skip


def _task(row: Row) -> tuple[str, ...]:
    return tuple(row[key] for key in ON)


def _cost(row: Row) -> float | None:
    """As a multiple of the dense run's; None where a seed does not reach the accuracy."""
    whole = row["n"] == row["planned"] - row["pending"]
    return row["flops_masked_ratio"] if whole else None


def _log_ratio(cost: float | None, base: float | None) -> float | None:
    """∞ where only the first never gets there, −∞ where only the second does not."""
    if cost is None or base is None:
        return 0.0 if cost is base else (math.inf if cost is None else -math.inf)
    return math.log(cost / base) if base > 0 and cost > 0 else None
