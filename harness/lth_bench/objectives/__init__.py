"""Objectives: what a training minimises, and what its result is judged by.

An objective is a frozen dataclass derived from `Objective`, found through the entry-point group
`lth_bench.objectives`. It gives the loss of each example and metrics of a whole split; the first
of its metrics is the primary one. Datasets name the objective that suits their targets.
"""

from lth_bench.objectives.base import Metric, Objective, OutputShape, require_fit
from lth_bench.objectives.cross_entropy import CrossEntropy

__all__ = ["CrossEntropy", "Metric", "Objective", "OutputShape", "require_fit"]
