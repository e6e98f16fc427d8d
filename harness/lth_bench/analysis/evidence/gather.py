"""Gather the data of a task's figures, and its failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.censored import lower_bounds
from lth_bench.analysis.evidence.boundary import Boundary, boundaries
from lth_bench.analysis.evidence.differences import Contrast, differences_of
from lth_bench.analysis.evidence.instability import Barrier, barriers
from lth_bench.analysis.evidence.learning import LearningCurve, Stops, early_stops, learning_curves
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
    OPTIONAL,
    Metric,
    Point,
    Series,
    density_series,
    pareto_points,
)
from lth_bench.analysis.evidence.procedure import Procedure, procedures
from lth_bench.analysis.evidence.subject import (
    WHO,
    Place,
    Subject,
    Task,
    asked,
    by_place,
    places,
    primary_of_places,
)
from lth_bench.analysis.evidence.survivors import FateCounts, fate_counts, origin_series
from lth_bench.analysis.evidence.units import MaskMap, UnitShares, mask_maps, unit_shares
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.samples import Sample, samples
from lth_bench.store.metric import CENSORED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class FailureGroup(Subject):
    """Failed rows that share label, control, status and reason."""

    status: str
    """failed, diverged, oom, timeout, skipped or interrupted."""
    reason: str
    """Empty where none was recorded."""
    rows: int
    """Number of rows; each is a seed at a target density."""
    seeds: tuple[int, ...]
    """Ascending."""
    densities: tuple[float, ...]
    """Target densities, from dense to sparse."""
    experiment_id: str
    """One of the experiments, for `lth-bench show`."""


def failures(
    con: DuckDBPyConnection, suites: Sequence[str] = ()
) -> dict[Place, list[FailureGroup]]:
    """Failures by task, largest groups first, skipped ones last. A planned row is not a failure."""
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
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, FailureGroup)


@dataclass(frozen=True, kw_only=True)
class TaskEvidence:
    """The data of all figures of one task of a suite. Lists are empty where nothing is known."""

    place: Place
    measure: Measure
    """The metric that figures show against density and cost."""
    primary: Measure = ACCURACY
    """The task's own, which learning curves and early stop are about."""
    density: Mapping[Metric, list[Series]]
    """A metric against density, for `measure`, METRICS, and those of ORIGINS that are there."""
    pareto: list[Point]
    """`measure` against training cost."""
    kept: list[LayersKept]
    """Fraction kept of each layer."""
    learning: list[LearningCurve]
    distances: list[DistanceMatrix]
    """Distances between the masks of a search."""
    weights: list[LayerWeights]
    """Histograms of surviving weights."""
    fates: list[FateCounts]
    """Kept and pruned weights by initial and final value in the dense run."""
    maps: list[MaskMap]
    """The first layer's kept weights by pixel."""
    units: list[UnitShares]
    """Kept weights per unit."""
    instability: list[Barrier]
    """Barriers between two copies of a ticket."""
    boundaries: list[Boundary]
    """Decision boundaries, where the task records them."""
    differences: list[Contrast]
    """Controls less their tickets, and labels less the suite's baseline."""
    failures: list[FailureGroup]
    stops: Sequence[Stops] = ()
    """Early-stop steps, seed by seed."""
    procedure: Procedure | None = None
    """One iterative search, round by round."""
    bounds: str = ""
    """Of which means of `measure` the true ones are known only to be larger; mostly empty."""


def gather(
    con: DuckDBPyConnection, suites: Sequence[str] = (), measure: Measure | None = None
) -> list[TaskEvidence]:
    """The data of every task of the suites (default: of all), by suite and task; also of tasks that
    are planned and not yet run. `measure` is that of the figures; None is each task's primary
    metric. UnknownName if the metric does not exist.
    """
    primary = primary_of_places(con)
    density = {metric: density_series(con, metric, suites) for metric in (*METRICS, *_asked(con))}
    density |= origin_series(con, suites)
    name = "score" if measure is None else measure.name
    main = density_series(con, name, suites)
    pareto = pareto_points(con, suites, name)
    kept = layers_kept(con, suites)
    stops = early_stops(con, suites)
    learning = learning_curves(con, suites)
    distances = distance_matrices(con, suites)
    weights = weight_histograms(con, suites)
    fates = fate_counts(con, suites)
    maps = mask_maps(con, suites)
    units = unit_shares(con, suites)
    unstable = barriers(con, suites)
    planar = boundaries(con, suites)
    differ = differences_of(con, suites, name)
    searches = procedures(con, suites)
    failed = failures(con, suites)
    bounds = _bounds(con, suites, measure)
    return [
        TaskEvidence(
            place=place,
            measure=measure or primary[place],
            primary=primary[place],
            density={
                (measure or primary[place]).name: main.get(place, []),
                **{metric: found.get(place, []) for metric, found in density.items()},
            },
            pareto=pareto.get(place, []),
            kept=kept.get(place, []),
            stops=stops.get(place, ()),
            learning=learning.get(place, []),
            distances=distances.get(place, []),
            weights=weights.get(place, []),
            fates=fates.get(place, []),
            maps=maps.get(place, []),
            units=units.get(place, []),
            instability=unstable.get(place, []),
            boundaries=planar.get(place, []),
            differences=differ.get(place, []),
            failures=failed.get(place, []),
            procedure=searches.get(place),
            bounds=bounds.get(place, ""),
        )
        for place in places(con, suites)
    ]


def _asked(con: DuckDBPyConnection) -> list[Metric]:
    """Those of OPTIONAL that there are."""
    rows = con.execute(
        "SELECT DISTINCT metric FROM metrics WHERE list_contains(?, metric)", [list(OPTIONAL)]
    ).fetchall()
    return sorted(name for (name,) in rows)


def _bounds(
    con: DuckDBPyConnection, suites: Sequence[str], measure: Measure | None
) -> dict[Place, str]:
    """What `TaskEvidence.bounds` says of each task. No task's primary metric has any."""
    if measure is None or measure.name not in CENSORED:
        return {}
    cells: dict[Place, list[Sample]] = {}
    for sample in samples(con, metric=measure.name, suites=suites):
        place = Place(sample.suite, Task(sample.model, sample.dataset, sample.recipe))
        cells.setdefault(place, []).append(sample)
    return {place: lower_bounds(found) for place, found in cells.items()}
