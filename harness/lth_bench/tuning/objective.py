"""What a trial is judged by: numbers from its tickets' accuracies on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Literal

Accuracies = Mapping[tuple[int, float], float]
"""(seed, density) → accuracy on the validation split, a fraction; 0 where the method lost it."""

Direction = Literal["maximize", "minimize"]

DIRECTIONS: dict[str, Direction] = {
    "accuracy": "maximize",
    "area": "maximize",
    "matching": "minimize",
    "density": "minimize",
    "cost": "minimize",
}
"""Name of an objective → the direction in which it is better."""


@dataclass(frozen=True)
class Objective:
    """One measure or two, over the densities and seeds of a study.

    `accuracy`: the mean. `area`: of accuracy against the logarithm of the density, from the dense
    run on, divided by the width, as the leaderboard has it. `matching`: the density at which the
    mean accuracy comes to lie `margin` below the dense run's. `density`: the trial's own. `cost`:
    steps of training, search included, over those of the dense run.
    """

    names: tuple[str, ...]
    densities: tuple[float, ...]
    """From dense to sparse; where the density is searched for too, those it is chosen from."""
    seeds: tuple[int, ...]
    margin: float

    @property
    def directions(self) -> tuple[Direction, ...]:
        """`maximize` or `minimize`, one a name."""
        return tuple(DIRECTIONS[name] for name in self.names)

    @property
    def needs_dense(self) -> bool:
        """Whether the dense run's accuracy is part of it."""
        return bool({"area", "matching"} & set(self.names))

    def values(
        self,
        accuracies: Accuracies,
        dense: Mapping[int, float],
        densities: Sequence[float],
        cost: float,
    ) -> list[float]:
        """One number a name, from all of a trial's results.

        `densities` are the trial's own, from dense to sparse; `cost` as the objective of that
        name has it. Raises KeyError where a result is missing.
        """
        return [self._value(name, accuracies, dense, densities, cost) for name in self.names]

    def course(
        self, accuracies: Accuracies, dense: Mapping[int, float], seeds: int, whole: bool = False
    ) -> list[tuple[int, float]]:
        """(results so far, objective over them) of seed number `seeds`, from 1: for a pruner.

        Results come seed by seed, from dense to sparse. Of the area and of what matches there is
        one value a seed. With `whole`, of all seeds up to that one.
        """
        found = []
        for nth in range(1 if whole else seeds, seeds + 1):
            before, seed = self.seeds[: nth - 1], self.seeds[nth - 1]
            if self.names == ("accuracy",):
                known = [accuracies[s, d] for s in before for d in self.densities]
                for density in self.densities:
                    known.append(accuracies[seed, density])
                    found.append((len(known), fmean(known)))
            else:
                value = self._value(
                    self.names[0], accuracies, dense, self.densities, 0.0, (*before, seed)
                )
                found.append((nth * len(self.densities), value))
        return found

    def _value(
        self,
        name: str,
        accuracies: Accuracies,
        dense: Mapping[int, float],
        densities: Sequence[float],
        cost: float,
        seeds: Sequence[int] = (),
    ) -> float:
        seeds = seeds or self.seeds
        if name == "density":
            return densities[-1]
        if name == "cost":
            return cost
        if name == "accuracy":
            # where the density is searched for, a ladder's denser rungs only lead on
            judged = densities[-1:] if "density" in self.names else densities
            return fmean(accuracies[seed, d] for seed in seeds for d in judged)
        means = {d: fmean(accuracies[seed, d] for seed in seeds) for d in densities}
        top = fmean(dense[seed] for seed in seeds)
        return area(means, top) if name == "area" else matching(means, top - self.margin)


def area(means: Mapping[float, float], dense: float) -> float:
    """The trapezoid rule over log density from the dense run to the sparsest, over the width.

    `means` are mean accuracies by density below 1. The area is linear in them, so that of the
    means is the mean of the seeds' areas.
    """
    points = [(1.0, dense), *sorted(means.items(), reverse=True)]
    whole = 0.0
    for (d, a), (e, b) in pairwise(points):
        whole += (a + b) / 2 * (math.log(d) - math.log(e))
    return whole / (math.log(points[0][0]) - math.log(points[-1][0]))


def matching(means: Mapping[float, float], least: float) -> float:
    """The density at which the mean accuracy comes to lie below `least`.

    Counted from the sparsest density that reaches it on, straight over the log of the density to
    the next sparser one, so that settings differ between the densities too. 1 where none does:
    the dense run matches itself.
    """
    ladder = sorted(means.items(), reverse=True)
    last = max((i for i, (_, mean) in enumerate(ladder) if mean >= least), default=None)
    if last is None:
        return 1.0
    density, mean = ladder[last]
    if last + 1 == len(ladder):
        return density
    below, lower = ladder[last + 1]
    part = (mean - least) / (mean - lower)
    return math.exp((1 - part) * math.log(density) + part * math.log(below))
