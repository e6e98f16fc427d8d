"""A metric against density: accuracy, early-stop step, generalisation gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import WHO, Subject, asked
from lth_bench.analysis.samples import LOST

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Metric = Literal["test_accuracy", "early_stop_accuracy", "early_stop_step", "generalisation_gap"]
"""Fractions; `early_stop_step` in steps. `generalisation_gap` is train minus test accuracy."""

METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class Series(Subject):
    """One line of such a figure; all tuples are as long, from dense to sparse.

    Densities where no seed ended ok are left out. The dense run has the single x of 1.0.
    """

    x: tuple[float, ...]
    """Target densities, in (0, 1]."""
    density: tuple[float, ...]
    """Densities reached, means."""
    mean: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    n: tuple[int, ...]
    """Seeds that ended ok and have the metric."""
    planned: tuple[int, ...]
    """Seeds planned."""
    lost: tuple[int, ...]
    """Seeds that failed or diverged."""


def density_series(
    con: DuckDBPyConnection, metric: Metric = "test_accuracy", suites: Sequence[str] = ()
) -> dict[Place, list[Series]]:
    """One series a label and control, dense first."""
    rows = con.execute(
        f"""
        {WHO},
        found AS (
            SELECT
                cell, density, status, test_examples,
                CASE WHEN status = 'ok' AND isfinite(v) THEN v END AS v
            FROM (SELECT *, CAST({_VALUE[metric]} AS DOUBLE) AS v FROM flat)
        ),
        grouped AS (
            SELECT
                cell, count(v) AS n, avg(v) AS mean,
                greatest(stddev_samp(v), {_FLOOR[metric]}) AS deviation,
                avg(density) FILTER (v IS NOT NULL) AS density, count(*) AS planned,
                count(*) FILTER (list_contains(?, status)) AS lost
            FROM found GROUP BY cell
        ),
        bounded AS (
            SELECT g.*, w.*, q.t * g.deviation / sqrt(g.n) AS reach
            FROM grouped g
            JOIN who w ON w.cell = g.cell
            LEFT JOIN t_quantiles q ON q.df = g.n - 1
            WHERE g.n > 0
        )
        SELECT
            task, strategy, label, control, source,
            list(target_density ORDER BY target_density DESC),
            list(density ORDER BY target_density DESC),
            list(mean ORDER BY target_density DESC),
            list(mean - reach ORDER BY target_density DESC),
            list(mean + reach ORDER BY target_density DESC),
            list(n ORDER BY target_density DESC),
            list(planned ORDER BY target_density DESC),
            list(lost ORDER BY target_density DESC)
        FROM bounded
        GROUP BY task, place, strategy, label, control, source
        ORDER BY task, place
        """,
        [*asked(suites), list(LOST)],
    ).fetchall()
    return by_place(con, rows, Series)


_FLOOR: dict[Metric, str] = {
    "test_accuracy": "0.5 / min(test_examples)",
    "early_stop_accuracy": "0.5 / min(test_examples)",
    "early_stop_step": "0",
    "generalisation_gap": "0",
}
"""Half the distance of two values: the least that a deviation counts as."""

_VALUE: dict[Metric, str] = {
    "test_accuracy": "test_accuracy",
    "early_stop_accuracy": "early_stop_accuracy",
    "early_stop_step": "early_stop_step",
    "generalisation_gap": "train_accuracy - test_accuracy",
}
