"""Cross-entropy of classes: plain, with weights of classes, and focal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.info import DatasetInfo, Targets
from lth_bench.errors import UserError
from lth_bench.objectives.base import Metric, Objective
from lth_bench.objectives.measures import accuracy, balanced_accuracy
from lth_bench.params import Range

Weight = Annotated[float, Range(0, math.inf)]

ACCURACY = Metric("accuracy", "fraction", higher_is_better=True)
BALANCED = Metric("balanced_accuracy", "fraction", higher_is_better=True)


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Cross-entropy of one class an example, in nats; judged by accuracy.

    The recipe's `label_smoothing` applies to the training loss of this objective alone.
    """

    targets: ClassVar[tuple[Targets, ...]] = ("class",)
    metrics: ClassVar[tuple[Metric, ...]] = (ACCURACY,)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of logits [N, classes] and classes int64 [N]: [N]."""
        return F.cross_entropy(outputs, targets, reduction="none")

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """From logits [N, classes]; of equal logits the first class counts."""
        return {"accuracy": accuracy(evidence.argmax(1), targets)}

    def right(self, evidence: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        """From logits [N, classes]."""
        return {"accuracy": evidence.argmax(1) == targets}


@dataclass(frozen=True)
class WeightedCrossEntropy(Objective):
    """Cross-entropy with a weight for every class; judged by balanced accuracy.

    A batch's loss is the mean of its examples' weighted losses; it is not divided by the sum of
    the batch's weights (as torch's `weight=` does), so that an example counts the same in any
    batch.
    """

    weights: tuple[Weight, ...] = ()
    """One a class; by default N / (classes · examples of the class) over the training split, so
    that all classes count alike and the mean weight of an example is 1."""

    targets: ClassVar[tuple[Targets, ...]] = ("class",)
    metrics: ClassVar[tuple[Metric, ...]] = (BALANCED, ACCURACY)

    def bound(self, train_targets: Tensor, info: DatasetInfo) -> Self:
        """With the weights of the training split's classes."""
        weights = self.weights or balanced_weights(train_targets, info.classes)
        if len(weights) != info.classes:
            raise UserError(
                f"objective: weights must be one a class, but got {len(weights)} for "
                f"{info.classes} classes"
            )
        if not any(weights):
            raise UserError("objective: weights must not all be 0, or nothing is learnt")
        return replace(self, weights=weights)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of logits [N, classes] and classes int64 [N]: [N]."""
        return self._weights(outputs)[targets] * F.cross_entropy(outputs, targets, reduction="none")

    def evidence(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The class found for each example, int64 [N]; of equal logits the first."""
        return outputs.argmax(1)

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """From found classes [N]."""
        return _of_classes(evidence, targets)

    def right(self, evidence: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        """Of accuracy alone: balanced accuracy weighs examples by their class."""
        return {"accuracy": evidence == targets}

    def _weights(self, outputs: Tensor) -> Tensor:
        assert self.weights, "bound() gives the weights"
        return self.constant(self.weights, outputs)


@dataclass(frozen=True)
class FocalLoss(Objective):
    """(1 − p)^γ times the cross-entropy, p being the true class's probability; judged by balanced
    accuracy (Lin et al., 2017, without the factor α).
    """

    gamma: Annotated[float, Range(0, 10)] = 2.0
    """γ; at 0 it is the cross-entropy."""

    targets: ClassVar[tuple[Targets, ...]] = ("class",)
    metrics: ClassVar[tuple[Metric, ...]] = (BALANCED, ACCURACY)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of logits [N, classes] and classes int64 [N]: [N]."""
        surprise = F.cross_entropy(outputs, targets, reduction="none")
        # −expm1 keeps the digits of 1 − p where p is near 1; at p = 1 the power's slope is infinite
        missing = (-torch.expm1(-surprise)).clamp_min(torch.finfo(outputs.dtype).tiny)
        return missing**self.gamma * surprise

    def evidence(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The class found for each example, int64 [N]; of equal logits the first."""
        return outputs.argmax(1)

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """From found classes [N]."""
        return _of_classes(evidence, targets)

    def right(self, evidence: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        """Of accuracy alone: balanced accuracy weighs examples by their class."""
        return {"accuracy": evidence == targets}


def balanced_weights(classes: Tensor, count: int) -> tuple[float, ...]:
    """N / (count · examples of the class), by class; 1 of a class without examples."""
    there = torch.bincount(classes.cpu(), minlength=count).tolist()
    return tuple(len(classes) / (count * n) if n else 1.0 for n in there)


def _of_classes(found: Tensor, targets: Tensor) -> Mapping[str, float]:
    return {
        "balanced_accuracy": balanced_accuracy(found, targets),
        "accuracy": accuracy(found, targets),
    }
