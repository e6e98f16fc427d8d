"""The data behind each figure, as plain values read from the database; drawing is in `output`.

`gather` reads everything, with one query per kind of figure for all suites and tasks: about two
seconds for 2,000 experiments. The functions return `{Place: [...]}`; a place without data is not a
key, so use `.get(place, [])`. Empty results give empty values, never an exception.

Means and 95% t-intervals are over the seeds that ended ok; with one seed, the interval is None.
"""

from lth_bench.analysis.evidence.boundary import Boundary, Curve, boundaries
from lth_bench.analysis.evidence.differences import Contrast, differences_of
from lth_bench.analysis.evidence.environment import Run, runs
from lth_bench.analysis.evidence.gather import FailureGroup, TaskEvidence, failures, gather
from lth_bench.analysis.evidence.groups import TaskGroup, task_groups
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
    Metric,
    Point,
    Series,
    density_series,
    pareto_points,
)
from lth_bench.analysis.evidence.procedure import Procedure, ProcedureRound, procedures
from lth_bench.analysis.evidence.subject import (
    Place,
    Subject,
    Task,
    places,
    primary_of_places,
    subjects,
)
from lth_bench.analysis.evidence.survivors import FateCounts, fate_counts, origin_series
from lth_bench.analysis.evidence.transfer import (
    TransferCell,
    TransferGrid,
    TransferGrids,
    transfers,
)
from lth_bench.analysis.evidence.units import MaskMap, UnitShares, mask_maps, unit_shares

__all__ = [
    "METRICS",
    "Barrier",
    "Boundary",
    "Contrast",
    "Curve",
    "DistanceMatrix",
    "FailureGroup",
    "FateCounts",
    "LayerWeights",
    "LayersKept",
    "LearningCurve",
    "MaskMap",
    "Metric",
    "Place",
    "Point",
    "Procedure",
    "ProcedureRound",
    "Run",
    "Series",
    "Stops",
    "Subject",
    "Task",
    "TaskEvidence",
    "TaskGroup",
    "TransferCell",
    "TransferGrid",
    "TransferGrids",
    "UnitShares",
    "barriers",
    "boundaries",
    "density_series",
    "differences_of",
    "distance_matrices",
    "early_stops",
    "failures",
    "fate_counts",
    "gather",
    "layers_kept",
    "learning_curves",
    "mask_maps",
    "origin_series",
    "pareto_points",
    "places",
    "primary_of_places",
    "procedures",
    "runs",
    "subjects",
    "task_groups",
    "transfers",
    "unit_shares",
    "weight_histograms",
]
