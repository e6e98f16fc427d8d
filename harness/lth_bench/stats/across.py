"""Is a method better over many tasks: one difference a task, and no assumption on its spread."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from lth_bench.stats.moments import require_fraction
from lth_bench.stats.signed_rank import leaning, wilcoxon
from lth_bench.stats.significance import holm

Label = TypeVar("Label", bound=Hashable)
Task = TypeVar("Task", bound=Hashable)


@dataclass(frozen=True, slots=True)
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
            kind,
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
