"""Studies and their trials, read from the table `trials`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


TIE = 1e-9
"""Values that differ by at most this are equal: means of the same accuracies in another order
differ in their last bits, which must not decide the best."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial of a study."""

    number: int
    """From 0, which is the suite's own settings."""
    state: str
    """complete, pruned or failed."""
    origin: str
    """default or sampler."""
    params: Mapping[str, Any]
    """By dotted name; a value of the recipe as `recipe.lr`."""
    distributions: Mapping[str, str]
    """Optuna's JSON of each parameter's range."""
    values: tuple[float, ...]
    """One per objective; empty if the trial has none, or one is not finite."""
    intermediate: tuple[tuple[int, float], ...]
    """(position, value) of intermediate reports."""
    steps: int
    """Optimizer steps, without sharing."""
    seconds: float
    recorded_at: datetime | None
    """UTC."""
    settings: Mapping[str, Any] | None
    """All parameters of its experiments that differ from the strategy's defaults; None if its
    experiments are not in these results."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A search for one label's parameters on one task."""

    study_id: str
    suite: str
    model: str
    dataset: str
    recipe: str
    strategy: str
    label: str
    objectives: tuple[str, ...]
    directions: tuple[str, ...]
    """maximize or minimize, one per objective."""
    densities: tuple[float, ...]
    """Densities at which it was scored, from dense to sparse."""
    seeds: tuple[int, ...]
    budget: Mapping[str, Any]
    """trials, steps or minutes → the number."""
    sampler: str
    pruner: str
    trials: tuple[Trial, ...]
    """By number."""

    @property
    def task(self) -> tuple[str, str, str]:
        """Model, dataset, recipe."""
        return self.model, self.dataset, self.recipe

    @property
    def steps(self) -> int:
        """Its cost, without sharing."""
        return sum(trial.steps for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of its trials."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def complete(self) -> tuple[Trial, ...]:
        """Trials with a value for every objective."""
        return tuple(
            t for t in self.trials
            if t.state == "complete" and len(t.values) == len(self.objectives)
        )  # fmt: skip

    @property
    def front(self) -> tuple[Trial, ...]:
        """Pareto-optimal trials, by number. Values that differ by at most `TIE` are equal."""
        found = self.complete
        return tuple(t for t in found if not any(self._beats(other, t) for other in found))

    @property
    def best(self) -> Trial | None:
        """The first of the best; for two objectives, the front's best by the first objective.
        Values that differ by at most `TIE` are equal, so the suite's own settings win a tie.
        """
        found = {trial.number: trial for trial in self.complete}
        for place, direction in enumerate(self.directions):
            values = {number: trial.values[place] for number, trial in found.items()}
            found = {number: found[number] for number in best_of(values, direction)}
        return min(found.values(), key=lambda t: t.number, default=None)

    @property
    def default(self) -> Trial | None:
        """The suite's own settings, if they have a value."""
        return next((t for t in self.complete if t.origin == "default"), None)

    def _merits(self, trial: Trial) -> tuple[float, ...]:
        signs = (-1 if d == "minimize" else 1 for d in self.directions)
        return tuple(sign * value for sign, value in zip(signs, trial.values, strict=False))

    def _beats(self, one: Trial, other: Trial) -> bool:
        pairs = list(zip(self._merits(one), self._merits(other), strict=True))
        return all(a >= b - TIE for a, b in pairs) and any(a > b + TIE for a, b in pairs)


def best_of(values: Mapping[int, float], direction: str) -> list[int]:
    """Numbers of the trials with the best value; what differs by `TIE` is equal."""
    sign = -1 if direction == "minimize" else 1
    top = max((sign * value for value in values.values()), default=0.0)
    return [number for number, value in values.items() if sign * value >= top - TIE]


def read_studies(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Study]:
    """The studies of these suites (all if none is given), by suite, task and label.

    Anything missing or malformed in a record counts as missing, so that pages of untrusted results
    can be made.
    """
    rows = con.execute(
        """
        WITH settings AS (
            SELECT x.study_id, x.number, any_value(p.params) AS params
            FROM trial_experiments x JOIN plans p ON p.experiment_id = x.experiment_id
            GROUP BY x.study_id, x.number
        ),
        facts AS (  -- of a study's trials, the first that says it
            SELECT
                study_id, arg_min(suite, number) AS suite, arg_min(model, number) AS model,
                arg_min(dataset, number) AS dataset, arg_min(recipe, number) AS recipe,
                arg_min(strategy, number) AS strategy, arg_min(label, number) AS label,
                arg_min(objectives, number) AS objectives,
                arg_min(directions, number) AS directions,
                arg_min(densities, number) AS densities, arg_min(seeds, number) AS seeds,
                arg_max(budget, number) AS budget, arg_min(sampler, number) AS sampler,
                arg_min(pruner, number) AS pruner
            FROM trials
            GROUP BY study_id
        )
        SELECT
            f.*, t.number, state, origin, t.params, distributions, "values", intermediate,
            tuning_steps, tuning_seconds, recorded_at, s.params
        FROM facts f
        JOIN trials t ON t.study_id = f.study_id
        LEFT JOIN settings s ON s.study_id = t.study_id AND s.number = t.number
        WHERE $suites IS NULL OR list_contains($suites::VARCHAR[], f.suite)
        ORDER BY f.suite, f.model, f.dataset, f.recipe, f.label, f.study_id, t.number
        """,
        {"suites": list(suites) or None},
    ).fetchall()
    return [_study(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


def _study(rows: Sequence[tuple[Any, ...]]) -> Study:
    names = [str(name or "") for name in rows[0][:7]]
    objectives, directions, densities, seeds, budget, sampler, pruner = rows[0][7:14]
    goals = tuple(str(o) for o in objectives or ())
    ways = tuple(str(d) for d in directions or ())
    identity, suite, model, dataset, recipe, strategy, label = names
    return Study(
        study_id=identity,
        suite=suite,
        model=model,
        dataset=dataset,
        recipe=recipe,
        strategy=strategy,
        label=label,
        objectives=goals,
        directions=(*ways, *("maximize",) * len(goals))[: len(goals)],
        densities=tuple(sorted((d for d in densities or () if d is not None), reverse=True)),
        seeds=tuple(s for s in seeds or () if s is not None),
        budget=_table(budget),
        sampler=str(sampler or ""),
        pruner=str(pruner or ""),
        trials=tuple(_trial(row[14:]) for row in rows),
    )


def _trial(row: tuple[Any, ...]) -> Trial:
    number, state, origin, params, distributions, values, between, steps, seconds, at, whole = row
    numbers = tuple(values or ())
    finite = all(v is not None and math.isfinite(v) for v in numbers)
    ranges = {
        name: text if isinstance(text, str) else json.dumps(text)
        for name, text in _table(distributions).items()
    }
    return Trial(
        number=number,
        state=str(state or ""),
        origin=str(origin or ""),
        params=_table(params),
        distributions=ranges,
        values=numbers if finite else (),
        intermediate=tuple(
            (int(pair[0]), pair[1])
            for pair in between or ()
            if pair and len(pair) == 2 and None not in pair and all(map(math.isfinite, pair))
        ),
        steps=max(0, steps or 0),
        seconds=seconds if seconds and math.isfinite(seconds) else 0.0,
        recorded_at=at,
        settings=None if whole is None else _table(whole),
    )


def _table(text: str | None) -> dict[str, Any]:
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}
