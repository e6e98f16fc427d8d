"""A metric against density and against training cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.subject import WHO, Place, Subject, asked, by_place
from lth_bench.analysis.measures import measured
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


Metric = str
"""Name of a metric, as in `analysis.measures`."""

METRICS: tuple[Metric, ...] = ("early_stop_score", "early_stop_step", "generalisation_gap")
"""Metrics in every report: of the task's primary one that at early stop, `early_stop_step` in
steps, and of accuracy the gap between training and test, a fraction."""

OPTIONAL: tuple[Metric, ...] = (
    "hull_distance",
    "pruned_accuracy",
    "generalised",
    "generalisation_step",
)
"""Metrics in reports where there are any."""


@dataclass(frozen=True, kw_only=True)
class Series(Subject):
    """A metric of one label or control; all tuples have one entry per density, from dense to
    sparse.

    Densities at which no seed ended ok are left out. The dense run has the single density 1.0.
    """

    x: tuple[float, ...]
    """Target densities, in (0, 1]."""
    density: tuple[float, ...]
    """Densities reached, mean over the seeds, in (0, 1]."""
    mean: tuple[float, ...]
    """Means of the metric, in its own unit."""
    low: tuple[float | None, ...]
    """95% t-intervals of the means; None at one seed."""
    high: tuple[float | None, ...]
    n: tuple[int, ...]
    """Number of seeds that ended ok and have the metric."""
    planned: tuple[int, ...]
    """Number of planned seeds."""
    lost: tuple[int, ...]
    """Number of seeds that failed or diverged."""


def density_series(
    con: DuckDBPyConnection, metric: str = "score", suites: Sequence[str] = ()
) -> dict[Place, list[Series]]:
    """One series for each label and control of a task, the dense run first.

    `metric` is a column of `tickets_flat`, `generalisation_gap`, or a metric that a plugin reports;
    UnknownName for any other. `score` is each task's primary metric. Means and intervals are those
    of the leaderboard.
    """
    name = quoted(measured(con, metric).name)
    rows = con.execute(
        f"""
        {WHO},
        bounded AS (
            SELECT w.*, b.density, b.mean, b.low, b.high, b.n, b.planned, b.failed AS lost
            FROM board_of({name}) b JOIN who w ON w.cell = b.cell
            WHERE b.n > 0
        )
        SELECT
            task, strategy, label, control, source,
            list(target_density ORDER BY target_density DESC),
            list(density ORDER BY target_density DESC),
            list(mean ORDER BY target_density DESC),
            list(low ORDER BY target_density DESC),
            list(high ORDER BY target_density DESC),
            list(n ORDER BY target_density DESC),
            list(planned ORDER BY target_density DESC),
            list(lost ORDER BY target_density DESC)
        FROM bounded
        GROUP BY task, place, strategy, label, control, source
        ORDER BY task, place
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, Series)


@dataclass(frozen=True, kw_only=True)
class Point(Subject):
    """One label at one density: its cost and its metric."""

    target_density: float
    """In (0, 1]."""
    x: float
    """FLOPs of search and training without pruned weights, as a multiple of the dense run's."""
    mean: float
    """Mean of the metric, in its own unit."""
    low: float | None
    """95% t-interval of the mean; None at one seed."""
    high: float | None
    n: int
    """Number of seeds."""
    on_front: bool
    """Whether no other point is both cheaper and better; False if a seed was lost."""


def pareto_points(
    con: DuckDBPyConnection, suites: Sequence[str] = (), metric: str = "score"
) -> dict[Place, list[Point]]:
    """One point for the dense run and for each label at each density, by task and label, from dense
    to sparse, without controls.

    Means, intervals and costs are those of the metric's leaderboard; the front is that of the macro
    `pareto_of`. UnknownName if the metric does not exist.
    """
    name = quoted(measured(con, metric).name)
    rows = con.execute(
        f"""
        {WHO}
        SELECT
            w.task, w.strategy, w.label, w.control, w.source, w.target_density,
            p.flops_masked_ratio, p.mean, p.low, p.high, p.n, p.on_cost_front
        FROM pareto_of({name}) p JOIN who w ON w.cell = p.cell
        WHERE p.flops_masked_ratio IS NOT NULL AND p.mean IS NOT NULL
        ORDER BY w.task, place, w.target_density DESC
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, Point)
