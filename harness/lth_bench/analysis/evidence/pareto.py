"""A metric against training cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import WHO, Subject, asked
from lth_bench.analysis.measures import measured
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Point(Subject):
    """One label at one density."""

    target_density: float
    x: float
    """FLOPs of search and training, pruned weights free, as a multiple of the dense run's."""
    mean: float
    """Of the metric."""
    low: float | None
    high: float | None
    n: int
    on_front: bool
    """Nothing is both cheaper and better. A row that lost a seed is never on the front."""


def pareto_points(
    con: DuckDBPyConnection, suites: Sequence[str] = (), metric: str = "test_accuracy"
) -> dict[Place, list[Point]]:
    """Every ticket and the dense run, controls apart; by label, from dense to sparse.

    Means, intervals and costs are those of the leaderboard by the metric, the front that of the
    macro `pareto_of`.
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
        asked(suites),
    ).fetchall()
    return by_place(con, rows, Point)
