"""The objectives of a study, computed from its tickets' primary metric on the validation split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.stats import mean
from lth_bench.stats.curve import area, matching_density

TicketValues = Mapping[tuple[int, float], float]
"""(seed, density) → the task's primary metric on the validation split, such as accuracy; of a
fraction its worst value for a lost ticket."""

Direction = Literal["maximize", "minimize"]

OF_THE_METRIC = ("accuracy", "area")
"""Kinds of objective that are better in the direction of the metric; the others are minimised."""


@dataclass(frozen=True)
class StudyObjective:
    """One objective or two, over the densities and seeds of a study.

    `accuracy`: the mean of the task's primary metric, whatever that is. `area`: the area under it
    against log density, from the dense run on, divided by the range of log density, as on the
    leaderboard. `matching`: the density at which its mean gets worse than the dense run's by
    `margin`. `density`: the trial's own. `cost`: training steps, search included, divided by those
    of the dense run.
    """

    kinds: tuple[str, ...]
    """As suites name them."""
    densities: tuple[float, ...]
    """From dense to sparse; where the density is an objective, those that trials choose from."""
    seeds: tuple[int, ...]
    margin: float | None = None
    """As of `Measure.margin`: of fractions absolute, of other metrics relative to the dense run's
    mean. None is the default."""
    measure: Measure = field(default=ACCURACY, kw_only=True)
    """The task's primary metric."""

    @property
    def names(self) -> tuple[str, ...]:
        """As results name them: `accuracy`, `rmse`, `area`, `area of rmse`."""
        metric = self.measure.name.removeprefix("test_")
        named = {"accuracy": metric}
        if self.measure != ACCURACY:
            named["area"] = f"area of {metric}"
        return tuple(named.get(kind, kind) for kind in self.kinds)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """`maximize` or `minimize`, one a name."""
        up = self.measure.higher
        return tuple(
            "maximize" if up and kind in OF_THE_METRIC else "minimize" for kind in self.kinds
        )

    @property
    def needs_dense(self) -> bool:
        """Whether it depends on the dense run's metric."""
        return bool({"area", "matching"} & set(self.kinds))

    def values(
        self,
        values: TicketValues,
        dense: Mapping[int, float],
        densities: Sequence[float],
        cost: float,
    ) -> list[float]:
        """One number for each name, from all of a trial's results.

        `densities` are the trial's own, from dense to sparse; `cost` is the objective of that name.
        Raises KeyError where a result is missing.
        """
        return [
            self._value(kind, values, dense=dense, densities=densities, cost=cost)
            for kind in self.kinds
        ]

    def intermediate(
        self, values: TicketValues, dense: Mapping[int, float], seeds: int, whole: bool = False
    ) -> list[tuple[int, float]]:
        """(number of results, objective over them) after seed number `seeds`, counted from 1: for
        a pruner.

        Results come seed by seed, from dense to sparse. `area` and `matching` have one value for
        each seed. With `whole`, the values of all seeds up to that one.
        """
        found = []
        for nth in range(1 if whole else seeds, seeds + 1):
            before, seed = self.seeds[: nth - 1], self.seeds[nth - 1]
            if self.kinds == ("accuracy",):
                known = [values[s, d] for s in before for d in self.densities]
                for density in self.densities:
                    known.append(values[seed, density])
                    found.append((len(known), mean(known)))
            else:
                value = self._value(
                    self.kinds[0],
                    values,
                    dense=dense,
                    densities=self.densities,
                    cost=0.0,
                    seeds=(*before, seed),
                )
                found.append((nth * len(self.densities), value))
        return found

    def _value(
        self,
        kind: str,
        values: TicketValues,
        *,
        dense: Mapping[int, float],
        densities: Sequence[float],
        cost: float,
        seeds: Sequence[int] = (),
    ) -> float:
        seeds = seeds or self.seeds
        if kind == "density":
            return densities[-1]
        if kind == "cost":
            return cost
        if kind == "accuracy":
            # where the density is an objective, denser levels of the schedule only lead to it
            judged = densities[-1:] if "density" in self.kinds else densities
            return mean(values[seed, d] for seed in seeds for d in judged)
        means = {d: mean(values[seed, d] for seed in seeds) for d in densities}
        top = mean(dense[seed] for seed in seeds)
        if kind == "area":
            return area(means, top)
        sign = self.measure.sign
        least = sign * top - self.measure.margin(self.margin, top)
        return matching_density({d: sign * value for d, value in means.items()}, least)
