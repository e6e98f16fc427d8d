"""The contracts of models, datasets and objectives, in the order in which they are judged."""

from lth_bench.testing.contract import Contract
from lth_bench.testing.parts import datasets, models, objectives
from lth_bench.testing.parts.case import PartCase, methods, parameters, picklable
from lth_bench.testing.parts.datasets import DatasetCase
from lth_bench.testing.parts.models import ModelCase
from lth_bench.testing.parts.objectives import ObjectiveCase

CONTRACTS: dict[str, tuple[Contract, ...]] = {
    "models": (
        methods, parameters, models.builds, models.output_shape, models.seedable,
        models.single_examples, models.trains, models.prunable, picklable,
    ),
    "datasets": (
        methods, parameters, datasets.loads, datasets.info, datasets.deterministic,
        datasets.disjoint, datasets.classes, datasets.root, picklable,
    ),
    "objectives": (
        methods, parameters, objectives.bound, objectives.losses, objectives.differentiable,
        objectives.stackable, objectives.metrics, objectives.whole_splits, objectives.direction,
        picklable,
    ),
}  # fmt: skip
"""Group of plugins → all of its contracts."""
CASES: dict[str, type[PartCase]] = {
    "models": ModelCase,
    "datasets": DatasetCase,
    "objectives": ObjectiveCase,
}

__all__ = ["CASES", "CONTRACTS", "DatasetCase", "ModelCase", "ObjectiveCase", "PartCase"]
