"""Everything that the figures of a task show, and what did not end ok."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.learning import LearningCurve, learning_curves
from lth_bench.analysis.evidence.masks import (
    DistanceMatrix,
    LayersKept,
    LayerWeights,
    distance_matrices,
    layers_kept,
    weight_histograms,
)
from lth_bench.analysis.evidence.metric import (
    METRICS,
    Metric,
    Point,
    Series,
    density_series,
    pareto_points,
)
from lth_bench.analysis.evidence.subject import WHO, Place, Subject, asked, by_place, places
from lth_bench.analysis.measures import ACCURACY, Measure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class FailureGroup(Subject):
    """Rows of the view `failures` that share label, control, status and reason."""

    status: str
    """failed, diverged, oom, timeout, skipped or interrupted."""
    reason: str
    """Empty where none was recorded."""
    rows: int
    seeds: tuple[int, ...]
    densities: tuple[float, ...]
    """From dense to sparse."""
    experiment_id: str
    """One of them, for `lth-bench show`."""


def failures(
    con: DuckDBPyConnection, suites: Sequence[str] = ()
) -> dict[Place, list[FailureGroup]]:
    """Failures before what could not be reached, most rows first. Planned rows are no failures."""
    rows = con.execute(
        f"""
        {WHO},
        failed AS (
            SELECT
                cell, status, coalesce(reason, '') AS reason, seed, experiment_id, target_density
            FROM flat WHERE status NOT IN ('ok', 'planned')
        )
        SELECT
            task, strategy, label, control, source, status, reason, CAST(count(*) AS BIGINT),
            list(DISTINCT seed ORDER BY seed),
            list(DISTINCT f.target_density ORDER BY f.target_density DESC),
            arg_min(experiment_id, (seed, -f.target_density))
        FROM failed f JOIN who w ON w.cell = f.cell
        GROUP BY task, place, strategy, label, control, source, status, reason
        ORDER BY task, status = 'skipped', count(*) DESC, place, status, reason
        """,
        asked(suites),
    ).fetchall()
    return by_place(con, rows, FailureGroup)


@dataclass(frozen=True, kw_only=True)
class TaskEvidence:
    """What is known of one task of one suite. Lists are empty where there is nothing."""

    place: Place
    measure: Measure
    """The metric that figures show against density and cost."""
    density: Mapping[Metric, list[Series]]
    """By metric: `measure` and METRICS."""
    pareto: list[Point]
    kept: list[LayersKept]
    learning: list[LearningCurve]
    distances: list[DistanceMatrix]
    weights: list[LayerWeights]
    failures: list[FailureGroup]


def gather(
    con: DuckDBPyConnection, suites: Sequence[str] = (), measure: Measure = ACCURACY
) -> list[TaskEvidence]:
    """The evidence of every task of the suites (none: of all), in order; also of bare plans."""
    metrics = dict.fromkeys([measure.name, *METRICS])
    density = {metric: density_series(con, metric, suites) for metric in metrics}
    pareto = pareto_points(con, suites, measure.name)
    kept = layers_kept(con, suites)
    learning = learning_curves(con, suites)
    distances = distance_matrices(con, suites)
    weights = weight_histograms(con, suites)
    failed = failures(con, suites)
    return [
        TaskEvidence(
            place=place,
            measure=measure,
            density={metric: found.get(place, []) for metric, found in density.items()},
            pareto=pareto.get(place, []),
            kept=kept.get(place, []),
            learning=learning.get(place, []),
            distances=distances.get(place, []),
            weights=weights.get(place, []),
            failures=failed.get(place, []),
        )
        for place in places(con, suites)
    ]
