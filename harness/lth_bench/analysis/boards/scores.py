"""One score a task and label, of any kind of leaderboard: what a comparison across tasks takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lth_bench.analysis.boards import area, cost, matching, speed
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import LABEL, ON, TASK, BoardRow, fetch, origin
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.samples import display_name
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Scale = Literal["points", "value", "ratio", "rank"]
"""What a difference is: of fractions; of other values; of logarithms; or nothing, where only ranks
have a sense."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of a label on a task, over its seeds."""

    suite: str
    task: str
    density: float | None
    """Target density; None where the score is over all densities."""
    strategy: str
    label: str
    """With " from …" where the ticket was found on another task."""
    control: str
    value: float | None
    """None where the label lost: worst."""
    difference: float | None
    """To the baseline; ±∞ where one of the two lost. None where it cannot be told."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one kind of leaderboard."""

    what: str
    """For a legend: what is ranked."""
    higher: bool
    """Whether larger scores are better."""
    scale: Scale
    found: list[Score]
    measure: Measure = ACCURACY
    """Of which the differences are."""


MEANS = """
    WITH base AS ({base})
    SELECT
        {task}, c.target_density, {label},
        avg(f.score) AS mean, avg(f.score - b.value) AS difference,
        count(f.score - b.value) AS pairs, worst_value({metric}) IS NULL AND bool_or(f.gone) AS lost
    FROM (
        SELECT
            f.cell, f.task, f.seed, f.target_density,
            coalesce(is_lost(f.status) OR f.status = 'skipped', false) AS gone,
            CASE WHEN f.status = 'ok' THEN f.value WHEN gone THEN worst_value({metric}) END AS score
        FROM scored({metric}) f WHERE {where}
    ) f
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN base b
        ON b.task = f.task AND b.seed = f.seed AND b.target_density = f.target_density
    GROUP BY ALL
    HAVING mean IS NOT NULL OR lost
"""


def metric_scores(
    con: DuckDBPyConnection, scope: BoardScope, against: Baselines, measure: Measure = ACCURACY
) -> Scores:
    """Mean of the metric at each density. A seed that the method lost or cannot reach counts as the
    worst value; where there is none, the label has lost the task.
    """
    sql = MEANS.format(
        base=against.base(measure), metric=quoted(measure.name), where=scope.where("f"),
        task=TASK, label=LABEL,
    )  # fmt: skip
    rows = fetch(con, sql, {**scope.parameters, **against.parameters})
    against.require_common(rows, "pairs")
    far = -measure.sign * math.inf
    found = [
        _score(row, None, far) if row["lost"] else _score(row, row["mean"], row["difference"])
        for row in rows
    ]
    return Scores(
        what=measure.words,
        higher=measure.higher,
        scale=_scale(measure),
        found=found,
        measure=measure,
    )


def area_scores(
    con: DuckDBPyConnection, scope: BoardScope, against: Baselines, measure: Measure = ACCURACY
) -> Scores:
    """Mean area under the curve of the metric against log density."""
    far = -measure.sign * math.inf
    found = []
    for row in area.rows(con, scope, against, measure):
        if measure.worst is None and row["lost"] + row["skipped"]:
            found.append(_score(row, None, far))
        elif row["mean"] is not None:
            found.append(_score(row, row["mean"], row["difference"]))
    what = f"area under {measure.short} against log density"
    return Scores(
        what=what, higher=measure.higher, scale=_scale(measure), found=found, measure=measure
    )


def speed_scores(con: DuckDBPyConnection, scope: BoardScope, against: Baselines) -> Scores:
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
    return Scores(what="early-stop step", higher=False, scale="ratio", found=found)


def matching_scores(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> Scores:
    """Sparsest density that is shown, or on average, not worse than the baseline; lost if none."""
    found = []
    for row in matching.rows(con, scope, against, margin, measure):
        if row["compared"]:
            known = [d for d in (row["shown_density"], row["even_density"]) if d is not None]
            found.append(_score(row, min(known, default=None), None))
    of = "" if measure == ACCURACY else f" of {measure.name}"
    return Scores(
        what=f"sparsest shown or even density{of}",
        higher=False,
        scale="rank",
        found=found,
        measure=measure,
    )


def cost_scores(
    con: DuckDBPyConnection,
    scope: BoardScope,
    *,
    against: Baselines,
    margin: float | None = None,
    reach: float | None = None,
    measure: Measure = ACCURACY,
) -> Scores:
    """FLOPs to reach the accuracy; lost where a seed does not reach it at any density."""
    found_rows = cost.rows(con, scope, against=against, margin=margin, reach=reach, measure=measure)
    rows = [row for row in found_rows if row["planned"] > row["pending"]]
    base = {_task(row): _cost(row) for row in rows if against.has(row)}
    found = []
    for row in rows:
        baseline = against.of[row["suite"]]
        there = 1.0 if baseline is not None and baseline.dense else base.get(_task(row), math.nan)
        found.append(_score(row, _cost(row), _log_ratio(_cost(row), there)))
    return Scores(
        what=f"FLOPs to reach the {measure.short}",
        higher=False,
        scale="ratio",
        found=found,
        measure=measure,
    )


def ranks_only(scores: Scores) -> Scores:
    """The same where values are known in order only: without differences."""
    found = [replace(score, difference=None) for score in scores.found]
    return replace(scores, what=f"{scores.what} within the budget", scale="rank", found=found)


def joined(parts: Sequence[Scores], by: str) -> Scores:
    """The scores of tasks that are judged by several metrics, as one; `by` is the kind of board.

    Densities, and ratios of costs and steps, mean the same everywhere. Of values only the ranks
    within a task do: a difference in RMSE and one in accuracy have no mean.
    """
    if len(parts) == 1:
        return parts[0]
    found = [score for one in parts for score in one.found]
    *some, last = (one.measure.short for one in parts)
    names = f"{', '.join(some)} or {last}"
    if parts[0].scale in ("ratio", "rank"):
        words = {
            "cost": f"FLOPs to reach each task's {names}",
            "matching": f"sparsest shown or even density of each task's {names}",
        }
        return replace(parts[0], what=words.get(by, parts[0].what), found=found)
    upward = [
        replace(
            score,
            value=None if score.value is None else one.measure.sign * score.value,
            difference=None,
        )
        for one in parts
        for score in one.found
    ]
    area = "the area under " if by == "area" else ""
    what = f"{area}each task's {names}, whose differences have no common unit"
    return Scores(what=what, higher=True, scale="rank", found=upward)


def _score(row: BoardRow, value: float | None, difference: float | None) -> Score:
    suite, *task = _task(row)
    return Score(
        suite=suite,
        task="/".join(task),
        density=row.get("target_density"),
        strategy=row["strategy"],
        label=display_name(row["label"], origin=origin(row)),
        control=row["control"],
        value=value,
        difference=difference,
    )


def _task(row: BoardRow) -> tuple[str, ...]:
    return tuple(row[key] for key in ON)


def _cost(row: BoardRow) -> float | None:
    """As a multiple of the dense run's; None where a seed does not reach the accuracy."""
    whole = row["n"] == row["planned"] - row["pending"]
    return row["flops_masked_ratio"] if whole else None


def _log_ratio(cost: float | None, base: float | None) -> float | None:
    """∞ where only the first never gets there, −∞ where only the second does not."""
    if cost is None or base is None:
        return 0.0 if cost is base else (math.inf if cost is None else -math.inf)
    return math.log(cost / base) if base > 0 and cost > 0 else None


def _scale(measure: Measure) -> Scale:
    return "points" if measure.is_fraction else "value"
