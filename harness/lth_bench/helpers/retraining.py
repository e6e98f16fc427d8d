"""Learning rates for training a pruned network further (Zimmer et al., 2023, appendix)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from torch import Tensor

from lth_bench.training.recipe import LearningRate, Recipe

RetrainingSchedule = Literal["FT", "LRW", "SLR", "CLR", "LLR", "ALLR"]

WARMUP = 0.1
"""Part of a retraining in which the rate rises from 0, for all but FT and LRW."""


class Retraining(NamedTuple):
    """A retraining as arguments of `ticket.fit`."""

    recipe: Recipe
    start: int
    end: int


def retraining(
    schedule: RetrainingSchedule,
    recipe: Recipe,
    train_size: int,
    steps: int,
    relative_lr: float = 1.0,
) -> Retraining:
    """`steps` steps of further training after the task's own, by a schedule's name.

    FT: the last rate of the task's schedule. LRW: its last `steps` steps. SLR: all of it in `steps`
    steps. CLR: half a cosine from its peak to its last rate. LLR: a line from the peak to 0. ALLR:
    a line from `relative_lr` times the peak to 0; see `adaptive_lr`.
    """
    rates = LearningRate(recipe, train_size)
    total = rates.total
    if schedule == "FT":
        return Retraining(recipe, total, total + steps)
    if schedule == "LRW":
        return Retraining(recipe, max(0, total - steps), max(total, steps))
    short = recipe.stretched(steps / total, train_size)
    if schedule != "SLR":
        short = replace(
            short,
            lr=recipe.lr * relative_lr if schedule == "ALLR" else recipe.lr,
            schedule="cosine" if schedule == "CLR" else "linear",
            final_lr=rates.lr(total - 1) if schedule == "CLR" else 0.0,
            milestones=(),
        )
    return Retraining(replace(short, warmup=WARMUP * steps), 0, steps)


def adaptive_lr(distance: float, removed: float, length: float) -> float:
    """ALLR's first rate over the peak rate, in [min(`length`, 1), 1]: d/√s between these bounds.

    `distance` d is from `pruning_distance`; `removed` s is the fraction of the weights that this
    pruning removed, in (0, 1]; `length` is the retraining's over the task's training.
    """
    return min(1.0, max(min(length, 1.0), distance / math.sqrt(removed) if removed else 0.0))


def pruning_distance(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], keys: Iterable[str]
) -> float:
    """√(‖w‖² − ‖w_pruned‖²) / ‖w‖ in [0, 1], over the parameters `keys` before and after pruning:
    weights, biases and batch norms; 0 if all are 0.
    """
    names = list(keys)
    whole, left = (
        sum(float(values[key].double().square().sum()) for key in names)
        for values in (before, after)
    )
    return math.sqrt(max(0.0, whole - left) / whole) if whole else 0.0
