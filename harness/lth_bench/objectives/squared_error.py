"""Squared error of real vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

from torch import Tensor

from lth_bench.data.info import DatasetInfo, Targets
from lth_bench.errors import UserError
from lth_bench.objectives.base import Metric, Objective
from lth_bench.objectives.measures import r2, rmse
from lth_bench.params import Range

Finite = Annotated[float, Range(-math.inf, math.inf, open_low=True, open_high=True)]
Deviation = Annotated[float, Range(0, math.inf, open_low=True, open_high=True)]


@dataclass(frozen=True)
class SquaredError(Objective):
    """Squared error of real numbers, averaged over an example's components.

    The network learns (target − mean) / deviation, so that learning rates do not depend on units.
    It is judged by RMSE and R² in the targets' own units; where there are several components, by
    the mean over them.
    """

    mean: tuple[Finite, ...] = ()
    """Of the targets, one a component; by default that of the training split."""
    deviation: tuple[Deviation, ...] = ()
    """Likewise; by default the training split's standard deviation. `mean = [0.0]` with
    `deviation = [1.0]` leaves targets as they are."""

    targets: ClassVar[tuple[Targets, ...]] = ("values",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rmse", "", higher_is_better=False),
        Metric("r2", "", higher_is_better=True),
    )

    def bound(self, train_targets: Tensor, info: DatasetInfo) -> Self:
        """With the mean and the deviation of the training split's targets."""
        values = train_targets.detach().cpu().double()
        mean = self.mean or tuple(values.mean(0).tolist())
        # the deviation of equal numbers may be a rounding error above 0
        equal = values.amin(0) == values.amax(0)
        found = values.std(0, correction=0).masked_fill(equal, 0.0)
        deviation = self.deviation or tuple(found.tolist())
        for name, given in (("mean", mean), ("deviation", deviation)):
            if len(given) not in (1, info.classes):
                raise UserError(
                    f"objective: {name} must be one number or one a component of the targets, but "
                    f"got {len(given)} for {info.classes} components"
                )
        if not all(deviation):
            constant = deviation.index(0.0)
            raise UserError(
                f"objective: component {constant} of the targets is {mean[constant % len(mean)]:g} "
                f"in every training example, so there is nothing to learn; leave it out, or set "
                f"deviation"
            )
        return replace(self, mean=mean, deviation=deviation)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of outputs [N, D] and values [N, D]: [N]."""
        wanted = (targets.to(outputs.dtype) - self._mean(outputs)) / self._deviation(outputs)
        return (outputs - wanted).square().mean(-1)

    def evidence(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Predictions in the targets' units, float64 [N, D]."""
        outputs = outputs.double()
        return outputs * self._deviation(outputs) + self._mean(outputs)

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """From predictions [N, D]."""
        return {"rmse": rmse(evidence, targets), "r2": r2(evidence, targets)}

    def _mean(self, like: Tensor) -> Tensor:
        assert self.mean, "bound() gives the mean"
        return self.constant(self.mean, like)

    def _deviation(self, like: Tensor) -> Tensor:
        return self.constant(self.deviation, like)
