"""Accuracy against training cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import WHO, Subject, asked
from lth_bench.analysis.samples import LOST

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Point(Subject):
    """One label at one density."""

    target_density: float
    x: float
    """FLOPs of search and training, pruned weights free, as a multiple of the dense run's."""
    mean: float
    """Test accuracy."""
    low: float | None
    high: float | None
    n: int
    on_front: bool
    """Nothing is both cheaper and better. Who lost a seed here is never on the front."""


def pareto_points(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> dict[Place, list[Point]]:
    """Every ticket and the dense run, controls apart; by label, from dense to sparse."""
    rows = con.execute(
        f"""
        {WHO},
        grouped AS (
            SELECT
                f.cell,
                avg(
                    (f.flops_masked_theoretical + f.search_flops_masked_theoretical)
                    / nullif(d.flops_dense, 0)
                ) FILTER (f.ok) AS x,
                avg(f.test_accuracy) FILTER (f.ok) AS mean,
                greatest(
                    stddev_samp(f.test_accuracy) FILTER (f.ok), 0.5 / min(f.test_examples)
                ) AS deviation,
                count(f.test_accuracy) FILTER (f.ok) AS n,
                count(*) FILTER (list_contains(?, f.status)) AS lost
            FROM (SELECT *, status = 'ok' AND isfinite(test_accuracy) AS ok FROM flat) f
            LEFT JOIN dense_runs d ON d.task = f.task AND d.seed = f.seed
            WHERE f.control = 'none'
            GROUP BY f.cell
        ),
        points AS (
            SELECT g.*, w.* EXCLUDE (cell), q.t * g.deviation / sqrt(g.n) AS reach
            FROM grouped g
            JOIN who w ON w.cell = g.cell
            LEFT JOIN t_quantiles q ON q.df = g.n - 1
            WHERE g.x IS NOT NULL AND g.mean IS NOT NULL
        )
        SELECT
            task, strategy, label, control, source, target_density, x, mean, mean - reach,
            mean + reach, n,
            lost = 0
            AND mean >= max(mean) FILTER (lost = 0) OVER (PARTITION BY task, x)
            AND mean > coalesce(max(mean) FILTER (lost = 0) OVER (
                PARTITION BY task ORDER BY x
                RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
            ), -1)
        FROM points
        ORDER BY task, place, target_density DESC
        """,
        [*asked(suites), list(LOST)],
    ).fetchall()
    return by_place(con, rows, Point)
