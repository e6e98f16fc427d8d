"""Instability analysis: whether two copies of a ticket, trained in two data orders, end in the same
linearly connected minimum (Frankle et al., 2020, "Linear mode connectivity and the lottery ticket
hypothesis", section 2).

On the line θ(α) = (1 − α)·θ₀ + α·θ₁ between the copies, the error barrier is the highest error less
the mean of the ends. It cannot be below half the difference of the ends, so small values are no
signal. The paper calls a network stable where the barrier is below 2 points and takes 30 values of
α; eleven are taken here.

How batch norm is treated decides the barrier: running statistics that are interpolated like weights
do not belong to the interpolated network. Both are reported where a network has such statistics:
with these interpolated, and with those of one pass over training examples at each α (as in the code
of AWS, Oh et al., 2025, which takes torch's moving average where this takes the mean).

Costs no training besides the copies, but 11 evaluations of the test split and of the sample of the
training split, and with batch norm three times as many passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lth_bench.objectives import Metric
from lth_bench.training.behaviour import evaluating
from lth_bench.training.engine.loss import Judged
from lth_bench.training.engine.network import Network
from lth_bench.training.input.task_data import Examples, TaskData
from lth_bench.training.request import Values

POINTS = 11
"""Values of α: 0, 0.1, …, 1."""


class Evaluation(NamedTuple):
    """One network of the line."""

    test: Judged
    train: Judged


def instability(
    copies: tuple[Values, Values],
    evaluate: Callable[[Values], Evaluation],
    primary: Metric,
    statistics: Callable[[Values], Values] | None,
    parameters: Sequence[str],
) -> dict[str, float]:
    """The barriers between two copies, and their distance.

    `evaluate` measures values; `statistics` returns them with the batch norms' running statistics
    estimated for them, or is None where there are none. For each: `barrier_train_loss`,
    `barrier_train_ERROR` and `barrier_test_ERROR`, in the unit of the metric; ERROR is `error`,
    1 − accuracy, where the primary metric is accuracy, and otherwise that metric's name, counted in
    the direction that is worse. Those of estimated statistics end in `_reestimated`.
    `copies_distance` is the L2 distance over `parameters`, without buffers.
    """
    one, other = copies
    line = [interpolated(one, other, i / (POINTS - 1)) for i in range(POINTS)]
    found = _barriers([evaluate(values) for values in line], primary, "")
    if statistics is not None:
        again = [evaluate(statistics(values)) for values in line]
        found |= _barriers(again, primary, "_reestimated")
    squares = [(one[key].double() - other[key].double()).square().sum() for key in parameters]
    found["copies_distance"] = float(torch.stack(squares).sum().sqrt())
    return found


def barrier(errors: Sequence[float]) -> float:
    """The highest of the errors along a line, less the mean of the two ends."""
    return max(errors) - (errors[0] + errors[-1]) / 2


def interpolated(one: Values, other: Values, alpha: float) -> dict[str, Tensor]:
    """(1 − α) · one + α · other. Counters and other integers are those of `one`."""
    return {
        key: torch.lerp(value, other[key], alpha) if value.is_floating_point() else value
        for key, value in one.items()
    }


def _barriers(line: Sequence[Evaluation], primary: Metric, suffix: str) -> dict[str, float]:
    name = "error" if primary.name == "accuracy" else primary.name
    worse = -1.0 if primary.higher_is_better else 1.0
    return {
        f"barrier_train_loss{suffix}": barrier([x.train.loss for x in line]),
        f"barrier_train_{name}{suffix}": barrier(
            [worse * x.train.metrics[primary.name] for x in line]
        ),
        f"barrier_test_{name}{suffix}": barrier(
            [worse * x.test.metrics[primary.name] for x in line]
        ),
    }


def estimated(
    network: Network, split: Examples, data: TaskData
) -> Callable[[Values], Values] | None:
    """A function that returns values with running statistics estimated for them, as means over the
    batches of `split`; None where the network has no batch norm with such statistics.
    """
    if not _norms(network.module):
        return None

    @torch.no_grad()
    def estimate(values: Values) -> Values:
        module = network.twin(values)
        norms = _norms(module)
        with evaluating(module), network.autocast():
            for norm in norms:
                norm.train().reset_running_stats()
                norm.momentum = None  # the mean over the batches
            size = network.evaluation_batch()
            for i in range(0, len(split) - 1, size):  # of one example there is no variance
                module(network.as_input(data.normalise(split.x[i : i + size])))
        return {k: v.detach().clone() for k, v in module.state_dict().items()}

    return estimate


def _norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Those that keep running statistics; one held in eval mode keeps the ones it has."""
    return [
        part
        for part in module.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        and part.track_running_stats
        and part.training
    ]
