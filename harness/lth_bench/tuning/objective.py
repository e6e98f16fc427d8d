"""The objectives of a study, computed from its tickets' accuracies on the validation split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lth_bench.stats import mean
from lth_bench.stats.curve import area, matching_density

Accuracies = Mapping[tuple[int, float], float]
"""(seed, density) → accuracy on the validation split, in [0, 1]; 0 for a lost ticket."""

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
class StudyObjective:
    """One objective or two, over the densities and seeds of a study.

    `accuracy`: the mean. `area`: the area under accuracy against log density, from the dense run
    on, divided by the range of log density, as on the leaderboard. `matching`: the density at which
    the mean accuracy falls `margin` below the dense run's. `density`: the trial's own. `cost`:
    training steps, search included, divided by those of the dense run.
    """

    names: tuple[str, ...]
    densities: tuple[float, ...]
    """From dense to sparse; where the density is an objective, those that trials choose from."""
    seeds: tuple[int, ...]
    margin: float

    @property
    def directions(self) -> tuple[Direction, ...]:
        """`maximize` or `minimize`, one a name."""
        return tuple(DIRECTIONS[name] for name in self.names)

    @property
    def needs_dense(self) -> bool:
        """Whether it depends on the dense run's accuracy."""
        return bool({"area", "matching"} & set(self.names))

    def values(
        self,
        accuracies: Accuracies,
        dense: Mapping[int, float],
        densities: Sequence[float],
        cost: float,
    ) -> list[float]:
        """One number for each name, from all of a trial's results.

        `densities` are the trial's own, from dense to sparse; `cost` is the objective of that name.
        Raises KeyError where a result is missing.
        """
        return [
            self._value(name, accuracies, dense=dense, densities=densities, cost=cost)
            for name in self.names
        ]

    def intermediate(
        self, accuracies: Accuracies, dense: Mapping[int, float], seeds: int, whole: bool = False
    ) -> list[tuple[int, float]]:
        """(number of results, objective over them) after seed number `seeds`, counted from 1: for
        a pruner.

        Results come seed by seed, from dense to sparse. `area` and `matching` have one value for
        each seed. With `whole`, the values of all seeds up to that one.
        """
        found = []
        for nth in range(1 if whole else seeds, seeds + 1):
            before, seed = self.seeds[: nth - 1], self.seeds[nth - 1]
            if self.names == ("accuracy",):
                known = [accuracies[s, d] for s in before for d in self.densities]
                for density in self.densities:
                    known.append(accuracies[seed, density])
                    found.append((len(known), mean(known)))
            else:
                value = self._value(
                    self.names[0],
                    accuracies,
                    dense=dense,
                    densities=self.densities,
                    cost=0.0,
                    seeds=(*before, seed),
                )
                found.append((nth * len(self.densities), value))
        return found

    def _value(
        self,
        name: str,
        accuracies: Accuracies,
        *,
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
            # where the density is an objective, denser levels of the schedule only lead to it
            judged = densities[-1:] if "density" in self.names else densities
            return mean(accuracies[seed, d] for seed in seeds for d in judged)
        means = {d: mean(accuracies[seed, d] for seed in seeds) for d in densities}
        top = mean(dense[seed] for seed in seeds)
        return area(means, top) if name == "area" else matching_density(means, top - self.margin)
