"""What every objective provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from lth_bench.data.info import DatasetInfo, Targets
from lth_bench.errors import UserError

OutputShape = tuple[int, ...]
"""What a network answers for one example: [classes], or [places, vocabulary]."""


@dataclass(frozen=True)
class Metric:
    """One number that a split's outputs are judged by."""

    name: str
    """Without a split: `accuracy`, which results hold as `test_accuracy`, `val_accuracy`, …"""
    unit: Literal["fraction", ""]
    """A fraction lies in [0, 1] and is written in percent."""
    higher_is_better: bool


class Objective(ABC):
    """The loss of one example, and the metrics of a split.

    The letters: N examples, … whatever dimensions outputs and targets have besides. A loss must be
    made of torch's operations on whole tensors, so that trainings can be stacked.
    """

    targets: ClassVar[tuple[Targets, ...]]
    """The kinds of targets that it can learn from."""
    metrics: ClassVar[tuple[Metric, ...]]
    """What it measures; the first one is the primary metric, which boards and verdicts speak of."""

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each example, [N].

        Args:
            outputs: what the network answers, [N, …] floating point.
            targets: as the dataset has them, [N, …].
        """

    @abstractmethod
    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """Every metric by its name, from a whole split.

        Args:
            evidence: what `evidence` gave for all examples, [N, …], on the CPU.
            targets: of all examples, [N, …], on the CPU.
        """

    def right(self, evidence: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        """Which examples are right, by the name of each metric that is the fraction of them.

        By default none: a metric such as RMSE or F1 is no mean over examples of 0 and 1, and has
        no interval for other test examples. The arguments are those of `measure`.

        Returns:
            bool [N] for each, whose mean is the metric.
        """
        return {}

    def evidence(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What `measure` needs of some examples' outputs: by default the outputs themselves.

        Where metrics are functions of less, such as each example's loss or its found class, give
        that: outputs of a whole split may not fit into memory. What is given stays on the device
        until the split's last batch, and is copied from there once.

        Args:
            outputs: of one batch, [N, …].
            targets: of the same examples, [N, …].

        Returns:
            A tensor whose first dimension is N.
        """
        return outputs

    def bound(self, train_targets: Tensor, info: DatasetInfo) -> Self:
        """The objective with what it takes from the training split, such as the classes' weights.

        By default it takes nothing. Of validation and test targets it never learns.
        """
        return self

    def constant(self, numbers: tuple[float, ...], like: Tensor) -> Tensor:
        """These numbers as a tensor [len(numbers)] of `like`'s type and device; not to be written
        to.

        It is made once and lives as long as the objective: a step that is captured as a CUDA graph
        may not copy from the host, and its replays read the same memory.
        """
        made: dict[object, Tensor] = self.__dict__.setdefault("_constants", {})
        key = numbers, like.dtype, like.device
        if key not in made:
            made[key] = torch.tensor(numbers, dtype=like.dtype, device=like.device)
        return made[key]

    @property
    def primary(self) -> Metric:
        """The metric that results are ranked by."""
        return self.metrics[0]


def require_fit(name: str, objective: Objective, info: DatasetInfo, dataset: str) -> None:
    """UserError where an objective cannot learn from a dataset's targets."""
    if info.targets in ("class", "tokens") and info.classes < 2:
        things = "class" if info.targets == "class" else "token"
        raise UserError(
            f"dataset {dataset!r} has one {things}, so there is nothing to learn; two are the least"
        )
    if info.targets in objective.targets:
        return
    wanted = " or ".join(TARGETS_IN_WORDS[t] for t in objective.targets)
    raise UserError(
        f"objective {name!r} needs {wanted} as targets, but dataset {dataset!r} has "
        f"{TARGETS_IN_WORDS[info.targets]}; leave objective out for the dataset's own, "
        f"{info.objective!r}, or choose another dataset"
    )


TARGETS_IN_WORDS: Mapping[str, str] = {
    "class": "one class an example",
    "labels": "several labels an example",
    "values": "real numbers",
    "tokens": "a token at every place",
}
"""How messages name the kinds of targets."""
