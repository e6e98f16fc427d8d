"""What each figure shows, as plain values read from the database; nothing here draws.

`gather` reads everything at once, one query a kind for all suites and tasks: some two seconds for
2,000 experiments. Each kind has its own module, whose function returns `{Place: [...]}`; a place
without any is missing there, so ask with `.get(place, [])`. Empty results give empty values, and
never an exception.

Means and intervals (95%, Student's t) are over the seeds that ended ok; the interval is None at
one seed.
"""

from lth_bench.analysis.evidence.environment import Run, runs
from lth_bench.analysis.evidence.gather import FailureGroup, TaskEvidence, failures, gather
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
from lth_bench.analysis.evidence.subject import Place, Subject, Task, places, subjects

__all__ = [
    "METRICS",
    "DistanceMatrix",
    "FailureGroup",
    "LayerWeights",
    "LayersKept",
    "LearningCurve",
    "Metric",
    "Place",
    "Point",
    "Run",
    "Series",
    "Subject",
    "Task",
    "TaskEvidence",
    "density_series",
    "distance_matrices",
    "failures",
    "gather",
    "layers_kept",
    "learning_curves",
    "pareto_points",
    "places",
    "runs",
    "subjects",
    "weight_histograms",
]
