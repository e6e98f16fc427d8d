"""Learning curves on the validation split, by training step, and when their minimum is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.subject import (
    WHO,
    Place,
    Subject,
    asked,
    by_place,
    is_spread,
    shown,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class LearningCurve(Subject):
    """One label or control at one density; all tuples have one entry per evaluation, by step."""

    target_density: float
    """In (0, 1]."""
    n: int
    """Number of seeds in every mean."""
    step: tuple[int, ...]
    """Optimizer steps, from 0."""
    val_score: tuple[float, ...]
    """Mean of the task's primary metric on the validation split, in its own unit."""
    low: tuple[float | None, ...]
    """95% t-interval of it; None at one seed."""
    high: tuple[float | None, ...]
    val_loss: tuple[float | None, ...]
    """Mean over the seeds with a finite loss; None where there are none."""


def learning_curves(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 4, points: int = 100
) -> dict[Place, list[LearningCurve]]:
    """Learning curves by task, from dense to sparse and then by label.

    For each task, the dense run and at most `densities` densities, evenly spaced among those
    reached, including the sparsest; at most `points` evaluations per curve, including the first and
    the last. Steps at which not all seeds were evaluated are left out.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        tickets AS (
            SELECT cell, ticket_id FROM counted_rows()
            WHERE status = 'ok' AND cell IN (SELECT cell FROM shown)
        ),
        grouped AS (
            SELECT
                t.cell, c.step, count(*) AS n, avg(c.val_score) AS mean,
                stddev_samp(c.val_score) AS deviation,
                avg(c.val_loss) FILTER (isfinite(c.val_loss)) AS val_loss
            FROM curves c JOIN tickets t ON t.ticket_id = c.ticket_id
            WHERE isfinite(c.val_score)
            GROUP BY t.cell, c.step
        ),
        complete AS (
            SELECT * FROM grouped QUALIFY n = max(n) OVER (PARTITION BY cell)
        ),
        counted AS (
            SELECT
                *, row_number() OVER (PARTITION BY cell ORDER BY step) - 1 AS i,
                count(*) OVER (PARTITION BY cell) AS m
            FROM complete
        ),
        thinned AS (
            SELECT c.*, q.t * c.deviation / sqrt(c.n) AS reach
            FROM counted c LEFT JOIN t_quantiles q ON q.df = c.n - 1
            WHERE {is_spread(points)}
        )
        SELECT
            task, strategy, label, control, source, target_density, max(n),
            list(step ORDER BY step), list(mean ORDER BY step), list(mean - reach ORDER BY step),
            list(mean + reach ORDER BY step), list(val_loss ORDER BY step)
        FROM thinned t JOIN shown s ON s.cell = t.cell
        GROUP BY task, place, strategy, label, control, source, target_density
        ORDER BY task, target_density DESC, place
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, LearningCurve)


@dataclass(frozen=True, kw_only=True)
class Stops(Subject):
    """The early-stop steps of one label or control; all tuples have one entry per density and seed,
    from dense to sparse.
    """

    x: tuple[float, ...]
    """Target densities, in (0, 1]."""
    step: tuple[int, ...]
    """Step of the minimum validation loss."""
    improving: tuple[bool, ...]
    """Whether that is the last step of the training, so that a longer one might reach a lower
    loss: the step is then only known to be no smaller.
    """


def early_stops(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> dict[Place, list[Stops]]:
    """By task, the dense run first. Trainings that failed, or that have no validation split, have
    none.
    """
    rows = con.execute(
        f"""
        {WHO}
        SELECT
            w.task, w.strategy, w.label, w.control, w.source,
            list(w.target_density ORDER BY w.target_density DESC, f.seed),
            list(f.early_stop_step ORDER BY w.target_density DESC, f.seed),
            list(
                f.early_stop_step >= coalesce(f.rewind_step, 0) + f.steps
                ORDER BY w.target_density DESC, f.seed
            )
        FROM counted_rows() f JOIN who w ON w.cell = f.cell
        WHERE f.status = 'ok' AND f.early_stop_step IS NOT NULL AND f.steps IS NOT NULL
        GROUP BY w.task, w.place, w.strategy, w.label, w.control, w.source
        ORDER BY w.task, w.place
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, Stops)
