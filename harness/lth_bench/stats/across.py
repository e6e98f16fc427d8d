"""Many tasks: one difference, cost or score a task, and no assumption on its spread."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from lth_bench.stats.ranks import leaning, wilcoxon
from lth_bench.stats.significance import holm
from lth_bench.stats.summary import finite, require_fraction

Label = TypeVar("Label", bound=Hashable)
Task = TypeVar("Task", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksVerdict:
    """A's verdict against B across tasks."""

    kind: Literal["better", "worse", "undecided", "insufficient"]
    n: int
    """Tasks."""
    wins: int
    """Tasks where A's mean is the better one, however slightly."""
    losses: int
    """The other way round, lost tasks among them."""
    mean: float | None
    """Of the finite differences A − B; None if there is none."""
    p: float
    """Two-sided, of the signed-rank test; 1 without tasks."""
    adjusted: float
    """The same by Holm's correction over the labels judged together."""
    needed: int
    """Tasks below which no result could be significant."""

    @property
    def text(self) -> str:
        """Such as "better on 9 of 10 tasks"."""
        if self.kind == "better":
            return f"better on {self.wins} of {self.n} tasks"
        if self.kind == "worse":
            return f"worse on {self.losses} of {self.n} tasks"
        if self.kind == "insufficient":
            return f"insufficient tasks (n={self.n}, needs at least {self.needed})"
        return "no difference found"


def judge_tasks(
    differences: Mapping[Label, Mapping[Task, float]], level: float = 0.95, higher: bool = True
) -> dict[Label, TasksVerdict]:
    """Each label's verdict against one baseline over tasks, by signed-rank tests with Holm.

    A task is one observation, its mean difference over seeds, so that a task with many seeds does
    not outvote the others (Demšar, 2006).

    Args:
        differences: Each label's mean difference to the baseline by task. −∞ where the label lost
            the task (for a cost: ∞), the other sign where the baseline did: it ranks beyond every
            finite difference.
        level: In (0, 1).
        higher: Whether a positive difference is the better one.
    """
    require_fraction("level", level)
    ps = {label: wilcoxon(d.values()) if d else 1.0 for label, d in differences.items()}
    adjusted = holm(ps)
    needed = tasks_needed(len(ps), level)
    verdicts = {}
    for label, by_task in differences.items():
        good = {task: d if higher else -d for task, d in by_task.items()}
        finite = [d for d in by_task.values() if math.isfinite(d)]
        kind: Literal["better", "worse", "undecided", "insufficient"]
        if adjusted[label] < 1 - level:
            kind = "better" if leaning(good.values()) > 0 else "worse"
        else:
            kind = "insufficient" if len(good) < needed else "undecided"
        verdicts[label] = TasksVerdict(
            kind=kind,
            n=len(good),
            wins=sum(d > 0 for d in good.values()),
            losses=sum(d < 0 for d in good.values()),
            mean=math.fsum(finite) / len(finite) if finite else None,
            p=ps[label],
            adjusted=adjusted[label],
            needed=needed,
        )
    return verdicts


def tasks_needed(comparisons: int, level: float = 0.95) -> int:
    """The fewest tasks at which the smallest of so many Holm-corrected p could be below 1 − level.

    The signed-rank test's smallest p is 2^(1 − n): 6 tasks for one comparison at 95%, 10 for 21.
    """
    n = 1
    while max(1, comparisons) * 2.0 ** (1 - n) >= 1 - level:
        n += 1
    return n


def interquartile_mean(values: Iterable[float]) -> float:
    """Mean of the middle half: ⌊n / 4⌋ values are left out at either end.

    `scipy.stats.trim_mean(values, 0.25)` without its import of a second. Below four values it is
    the plain mean. ValueError for no value and for a value that is not finite.
    """
    x = sorted(finite(values, "an interquartile mean"))
    cut = len(x) // 4
    middle = x[cut : len(x) - cut]
    return math.fsum(middle) / len(middle)


def probability_of_improvement(a: Iterable[float], b: Iterable[float]) -> float:
    """The chance that a run of A has a larger value than a run of B, ties counting half.

    Over all pairs of runs, whatever their seeds: U / (n m) of Mann & Whitney (1947). 0.5 where
    nothing speaks for either. ValueError for no value and for a value that is not finite.
    """
    x, y = finite(a, "a chance to improve"), finite(b, "a chance to improve")
    won = sum((one > other) + 0.5 * (one == other) for one in x for other in y)
    return won / (len(x) * len(y))


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
