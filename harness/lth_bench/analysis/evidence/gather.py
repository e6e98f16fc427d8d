"""Everything about every task, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.density import METRICS, Metric, Series, density_series
from lth_bench.analysis.evidence.distances import DistanceMatrix, distance_matrices
from lth_bench.analysis.evidence.failures import Failure, failures
from lth_bench.analysis.evidence.kept import LayersKept, layers_kept
from lth_bench.analysis.evidence.learning import LearningCurve, learning_curves
from lth_bench.analysis.evidence.pareto import Point, pareto_points
from lth_bench.analysis.evidence.places import Place, places
from lth_bench.analysis.evidence.weights import WeightHistogram, weight_histograms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Evidence:
    """What is known of one task of one suite. Lists are empty where there is nothing."""

    place: Place
    density: Mapping[Metric, list[Series]]
    """By metric, every metric present."""
    pareto: list[Point]
    kept: list[LayersKept]
    learning: list[LearningCurve]
    distances: list[DistanceMatrix]
    weights: list[WeightHistogram]
    failures: list[Failure]


def gather(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Evidence]:
    """The evidence of every task of the suites (none: of all), in order; also of bare plans."""
    density = {metric: density_series(con, metric, suites) for metric in METRICS}
    pareto = pareto_points(con, suites)
    kept = layers_kept(con, suites)
    learning = learning_curves(con, suites)
    distances = distance_matrices(con, suites)
    weights = weight_histograms(con, suites)
    failed = failures(con, suites)
    return [
        Evidence(
            place,
            {metric: found.get(place, []) for metric, found in density.items()},
            pareto.get(place, []),
            kept.get(place, []),
            learning.get(place, []),
            distances.get(place, []),
            weights.get(place, []),
            failed.get(place, []),
        )
        for place in places(con, suites)
    ]
