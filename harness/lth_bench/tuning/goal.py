"""What one study is about: a strategy on a task, its space, its measure, its seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.params import build, canonical, plain
from lth_bench.plugins.source import source_hash
from lth_bench.training.keys import digest
from lth_bench.tuning.dimension import Dimension, place
from lth_bench.tuning.objective import Objective

if TYPE_CHECKING:
    from lth_bench.running.task_plan import TaskPlan
    from lth_bench.suite.spec import StrategySpec, Suite
    from lth_bench.suite.tune import TuneSpec

DENSITY = "task.density"
"""The dimension of a front against the density."""


@dataclass(frozen=True)
class Settings:
    """What a trial runs."""

    params: Mapping[str, Any]
    """All that differs from the strategy's defaults."""
    recipe: Mapping[str, Any]
    """Laid over the task's recipe."""
    densities: tuple[float, ...]
    """From dense to sparse."""


@dataclass(frozen=True)
class Goal:
    """A study before its trials. Nothing in it depends on what has been found."""

    suite: Suite
    tune: TuneSpec
    task: TaskPlan
    spec: StrategySpec
    strategy: type[Any]
    own: Any
    """The strategy with the suite's own parameters."""
    dimensions: tuple[Dimension, ...]
    objective: Objective

    @property
    def name(self) -> str:
        """In the store: SUITE/MODEL/DATASET/RECIPE/LABEL."""
        return "/".join((self.suite.name, *self.labels, self.spec.label))

    @property
    def labels(self) -> tuple[str, str, str]:
        """Of the task: model, dataset and recipe."""
        return self.task.model_label, self.task.dataset_label, self.task.spec.recipe_name

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what a trial of given parameters is worth, in plain values."""
        return {
            "suite": self.suite.name,
            "label": self.spec.label,
            "strategy": self.spec.use,
            "strategy's source": source_hash(self.strategy),
            "model": self.task.model,
            "dataset": self.task.dataset,
            "source of model and dataset": self.task.source,
            "recipe": self.task.recipe,
            "params": canonical(self.own),
            "space": {d.name: str(d) for d in self.dimensions},
            "objective": list(self.objective.names),
            "margin": self.objective.margin if "matching" in self.objective.names else None,
            "densities": list(self.objective.densities),
            "seeds": list(self.objective.seeds),
            **self._dense_run,
        }

    @property
    def _dense_run(self) -> dict[str, str]:
        """What trials with recipes of their own are held against, where that is a question."""
        asks = self.objective.needs_dense or "cost" in self.objective.names
        if asks and any(d.of == "recipe" for d in self.dimensions):
            return {"dense run": "of the suite's recipe"}
        return {}

    @cached_property
    def study_id(self) -> str:
        """16 hexadecimal digits of that."""
        return digest(self.identity)[:16]

    @property
    def default(self) -> dict[str, Any]:
        """Trial 0: the suite's own value of every dimension."""
        return {d.name: d.default for d in self.dimensions}

    def settings(self, params: Mapping[str, Any]) -> Settings:
        """What a trial of these values runs. UserError where the strategy refuses them."""
        values = {**self.spec.params_on(self.task.spec)}
        recipe: dict[str, Any] = {}
        densities = self.objective.densities
        for d in self.dimensions:
            value = params[d.name]
            if d.of == "density":
                # the ladder down to it, as a run of the suite goes
                densities = tuple(x for x in densities if x >= value)
                continue
            for path in d.places:
                if d.of == "recipe":
                    recipe = place(recipe, path, value)
                    continue
                if len(path) > 1 and not isinstance(values.get(path[0]), dict):
                    # one number for a whole table: write it out, then change a part
                    values[path[0]] = plain(getattr(self.own, path[0]))
                values = place(values, path, value)
        made = build(self.strategy, values, f"strategy {self.spec.label!r}")
        return Settings(canonical(made), recipe, densities)

    def check_stored(self, stored: str | None, where: str) -> None:
        """UserError where the study of this name in the store is another one."""
        theirs = json.loads(stored) if stored else {}
        ours = json.loads(self.stored)
        if theirs == ours:
            return
        parts = [key for key in ours if theirs.get(key) != ours[key]]
        key = parts[0]
        differs = f"{key} {_difference(theirs.get(key), ours[key])}"
        more = f", and {', '.join(parts[1:])}" if parts[1:] else ""
        raise UserError(
            f"{where} holds another study under the name {self.name}: its {differs}{more}; a study"
            " goes on only as it began. Begin it anew with --restart (what is trained already is"
            " not trained again), give the suite another name, or name other results with --results"
        )

    @property
    def stored(self) -> str:
        """The identity as the store keeps it."""
        return json.dumps(self.identity, sort_keys=True)


def _difference(theirs: Any, ours: Any) -> str:
    """What differs of two values; of two tables the entries that do, and not where they begin."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = [k for k in {**theirs, **ours} if theirs.get(k) != ours.get(k)]
        parts = [f"{k}: was {_short(theirs.get(k))}, is {_short(ours.get(k))}" for k in keys[:3]]
        more = f"; and {len(keys) - 3} more" if len(keys) > 3 else ""
        return f"differs ({'; '.join(parts)}{more})"
    return f"was {_short(theirs)} and is {_short(ours)}"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."
