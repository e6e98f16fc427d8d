"""On how many tasks is a method within so many times the best: performance profiles."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)
Task = TypeVar("Task", bound=Hashable)


def performance_profile(
    costs: Mapping[Label, Mapping[Task, float | None]], ratios: Iterable[float]
) -> dict[Label, tuple[float, ...]]:
    """Each label's fraction of tasks done at `ratio` times the least cost of all, for each ratio.

    ρ(τ) of Dolan & Moré (2002): at τ = 1 the fraction of tasks where the label is the cheapest,
    for large τ the fraction it does at all. Taken over the tasks that every label has an entry of;
    a task that no label does counts against all. All 0 where there is no such task. Relative to
    the best of these labels: adding or leaving out a label can change the others' order.

    Args:
        costs: At least 0, in any one unit; None or ∞ where the label never does the task. If the
            least cost is 0, only a cost of 0 is within any ratio.
        ratios: Each at least 1.
    """
    at = list(ratios)
    if not all(ratio >= 1 for ratio in at):
        raise ValueError(f"a ratio to the best is at least 1, but got {at}")
    for label, by_task in costs.items():
        for task, cost in by_task.items():
            if cost is not None and not cost >= 0:
                raise ValueError(f"a cost is at least 0, but {label!r} has {cost} at {task!r}")
    common = [
        task for task in next(iter(costs.values()), {}) if all(task in c for c in costs.values())
    ]
    known = {label: [_cost(by_task[task]) for task in common] for label, by_task in costs.items()}
    least = [min(column) for column in zip(*known.values(), strict=True)]
    return {
        label: tuple(
            sum(math.isfinite(c) and c <= ratio * best for c, best in zip(row, least, strict=True))
            / max(1, len(common))
            for ratio in at
        )
        for label, row in known.items()
    }


def _cost(cost: float | None) -> float:
    return math.inf if cost is None else cost
