"""Binary cross-entropy of several labels an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.info import Targets
from lth_bench.objectives.base import Metric, Objective
from lth_bench.objectives.measures import average_precision, f1


@dataclass(frozen=True)
class BinaryCrossEntropy(Objective):
    """Binary cross-entropy of each label, averaged over the labels, in nats.

    Judged by the mean average precision over the labels (mAP), and by their mean F1 where a label
    counts as found from a probability above one half. Of a label that no example of a split has,
    both are 0, as scikit-learn has it.
    """

    targets: ClassVar[tuple[Targets, ...]] = ("labels",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("map", "fraction", higher_is_better=True),
        Metric("f1", "fraction", higher_is_better=True),
    )

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of logits [N, L] and labels 0 or 1 [N, L]: [N]."""
        labels = targets.to(outputs.dtype)
        return F.binary_cross_entropy_with_logits(outputs, labels, reduction="none").mean(-1)

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """From logits [N, L]."""
        return {
            "map": float(average_precision(evidence, targets).mean()),
            "f1": float(f1(evidence > 0, targets).mean()),
        }
