"""Which methods can be told apart over many tasks: the groups of a critical-difference diagram."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, TypeVar

from lth_bench.stats.across import tasks_needed
from lth_bench.stats.ranks import goodness, ranks, wilcoxon
from lth_bench.stats.significance import holm
from lth_bench.stats.summary import require_fraction

Label = TypeVar("Label", bound=Hashable)
Task = TypeVar("Task", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalDifference(Generic[Label]):
    """Average ranks over tasks, and which of them are not told apart."""

    average_ranks: Mapping[Label, float]
    """1 the best; in this order, best first."""
    friedman_p: float | None
    """Of "all methods are alike"; None below three methods or two tasks."""
    groups: tuple[tuple[Label, ...], ...]
    """Longest runs along the ranks in which no two methods are told apart; each method is in one
    at least, alone where it differs from both neighbours. A pair without a common group need not
    be told apart: a method between the two may be. `adjusted` knows."""
    n_tasks: int
    """Tasks that every method has a score of; others are left out."""
    needed: int
    """Tasks below which no two methods could be told apart."""
    level: float
    adjusted: Mapping[tuple[Label, Label], float]
    """Holm's p of each pair, the better-ranked first; empty where no pair was tested."""

    @property
    def text(self) -> str:
        """What was found, such as "insufficient tasks (n=3, needs at least 10)"."""
        if self.n_tasks == 0:
            return "no task has a score of every method"
        if self.n_tasks < self.needed:
            return f"insufficient tasks (n={self.n_tasks}, needs at least {self.needed})"
        found = "no two methods told apart" if len(self.groups) == 1 else "methods differ"
        friedman = "" if self.friedman_p is None else f", Friedman p={self.friedman_p:.2g}"
        return f"{found} ({self.n_tasks} tasks{friedman})"


def critical_groups(
    scores: Mapping[Label, Mapping[Task, float | None]], level: float = 0.95, higher: bool = True
) -> CriticalDifference[Label]:
    """Rank the methods on every task and group those that are not told apart.

    Friedman's test first; if it finds no difference, one group holds all. Then signed-rank tests
    of all pairs with Holm's correction rather than Nemenyi's test on mean ranks, whose answer on
    two methods depends on the others (Demšar, 2006; Benavoli et al., 2016). With too few tasks for
    any pair to differ, one group holds all and `text` says so. Friedman's p is that of the χ²
    approximation, rough below some ten tasks.

    Args:
        scores: Each label's score by task, such as its mean over seeds; None where it lost the
            task, which ranks worst and loses to every score.
        level: In (0, 1).
        higher: Whether larger scores are better.
    """
    require_fraction("level", level)
    tasks = [
        task for task in next(iter(scores.values()), {}) if all(task in s for s in scores.values())
    ]
    good = {label: [goodness(s[task], higher) for task in tasks] for label, s in scores.items()}
    needed = tasks_needed(math.comb(len(good), 2), level)
    if not tasks:
        return CriticalDifference(
            average_ranks={},
            friedman_p=None,
            groups=(),
            n_tasks=0,
            needed=needed,
            level=level,
            adjusted={},
        )
    by_task = [ranks({label: x[t] for label, x in good.items()}) for t in range(len(tasks))]
    average = {label: math.fsum(r[label] for r in by_task) / len(tasks) for label in good}
    order = sorted(average, key=average.__getitem__)
    friedman_p = _friedman(list(good.values()))
    adjusted: dict[tuple[Label, Label], float] = {}
    groups: tuple[tuple[Label, ...], ...] = (tuple(order),)
    if len(tasks) >= needed and (friedman_p is None or friedman_p < 1 - level):
        adjusted = holm(
            {
                (a, b): wilcoxon(map(_difference, good[a], good[b]))
                for a, b in combinations(order, 2)
            }
        )
        groups = runs(order, lambda a, b: adjusted[a, b] >= 1 - level)
    ranked = {label: average[label] for label in order}
    return CriticalDifference(
        average_ranks=ranked,
        friedman_p=friedman_p,
        groups=groups,
        n_tasks=len(tasks),
        needed=needed,
        level=level,
        adjusted=adjusted,
    )


def runs(
    order: Sequence[Label], alike: Callable[[Label, Label], bool]
) -> tuple[tuple[Label, ...], ...]:
    """The longest runs of neighbours of which any two are alike; none lies within another.

    `alike` is asked in the order given: the earlier of the two first.
    """
    found: list[tuple[Label, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and all(alike(other, order[end]) for other in order[start:end]):
            end += 1
        if end > reached:
            found.append(tuple(order[start:end]))
            reached = end
    return tuple(found)


def _difference(a: float, b: float) -> float:
    return 0.0 if a == b else a - b  # also where both are lost: ∞ − ∞ is no number


def _friedman(columns: list[list[float]]) -> float | None:
    if len(columns) < 3 or len(columns[0]) < 2:
        return None
    if all(len(set(row)) == 1 for row in zip(*columns, strict=True)):
        return 1.0  # scipy divides by zero where every task is a tie
    from scipy.stats import friedmanchisquare

    return float(friedmanchisquare(*columns).pvalue)
