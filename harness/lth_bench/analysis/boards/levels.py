"""Which densities of different tasks are compared with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lth_bench.analysis.boards.scope import DENSITY_TOLERANCE


@dataclass(frozen=True)
class Level:
    """A density of each of some tasks."""

    rung: int | None
    """Place in each task's own ladder, 1 the densest; None where the densities agree."""
    densities: Mapping[str, float]
    """By task."""

    @property
    def mean(self) -> float:
        """Of the densities."""
        return sum(self.densities.values()) / len(self.densities)


def levels(ladders: Mapping[str, Sequence[float]]) -> list[Level]:
    """The densities that tasks have in common, from dense to sparse; if hardly any, their rungs.

    Densities agree that differ by less than half a percent of themselves. Where half of the tasks
    or more share one, levels are the densities that two tasks share at least. Elsewhere, as where
    each network's ladder comes from its own pruning rates, the k-th densest of one task is
    compared with the k-th densest of the others.

    Args:
        ladders: Each task's densities below 1, in any order.
    """
    shared = [level for level in _clusters(ladders) if len(level.densities) > 1]
    if any(2 * len(level.densities) >= len(ladders) for level in shared):
        return shared
    ordered = {task: sorted(set(d), reverse=True) for task, d in ladders.items()}
    rungs = [
        Level(k + 1, {task: d[k] for task, d in ordered.items() if len(d) > k})
        for k in range(max(map(len, ordered.values()), default=0))
    ]
    return [level for level in rungs if len(level.densities) > 1]


def _clusters(ladders: Mapping[str, Sequence[float]]) -> list[Level]:
    found: list[dict[str, float]] = []
    first = 0.0
    for density, task in sorted(
        ((d, task) for task, ladder in ladders.items() for d in set(ladder)), reverse=True
    ):
        if not found or density < first * (1 - DENSITY_TOLERANCE) or task in found[-1]:
            found.append({})
            first = density
        found[-1][task] = density
    return [Level(None, densities) for densities in found]
