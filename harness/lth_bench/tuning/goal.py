"""The studies of a suite: each tunes a strategy on a task, over a space, by an objective."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.errors import UserError
from lth_bench.params import build, canonical, dotted, plain, show
from lth_bench.params.build import Keys
from lth_bench.plugins.source import source_hash
from lth_bench.running.plan import located, require_some
from lth_bench.running.task_plan import TaskPlan, plan_task
from lth_bench.suite.claims import DENSITY_TOLERANCE
from lth_bench.suite.source import SuiteSource
from lth_bench.suite.spec import StrategySpec, Suite
from lth_bench.suite.tune import TuneSpec
from lth_bench.training.keys import digest
from lth_bench.tuning.dimension import Dimension, choice, place
from lth_bench.tuning.objective import StudyObjective
from lth_bench.tuning.space import recipe_space, space_of

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.task_plan import TaskPlan
    from lth_bench.suite.spec import StrategySpec, Suite
    from lth_bench.suite.tune import TuneSpec


DENSITY = "task.density"
"""Name of the dimension that chooses the density where it is an objective."""


@dataclass(frozen=True)
class TrialSettings:
    """The settings of a trial."""

    params: Mapping[str, Any]
    """Every parameter that differs from the strategy's defaults."""
    recipe: Mapping[str, Any]
    """Replaces values of the task's recipe."""
    densities: tuple[float, ...]
    """From dense to sparse."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a study is to find. Nothing in it depends on the trials."""

    suite: Suite
    tune: TuneSpec
    task: TaskPlan
    spec: StrategySpec
    strategy: type[Any]
    own: Any
    """The strategy with the suite's own parameters."""
    dimensions: tuple[Dimension, ...]
    objective: StudyObjective

    @property
    def name(self) -> str:
        """The study's name in the storage: SUITE/MODEL/DATASET/RECIPE/LABEL."""
        return "/".join((self.suite.name, *self.labels, self.spec.label))

    @property
    def labels(self) -> tuple[str, str, str]:
        """The task's labels: model, dataset and recipe."""
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
            "margin": self._margin,
            "densities": list(self.objective.densities),
            "seeds": list(self.objective.seeds),
            **self._dense_run,
        }

    @property
    def _margin(self) -> float | None:
        """The margin as it is given, where it matters."""
        if "matching" not in self.objective.names:
            return None
        return self.objective.measure.stated_margin(self.objective.margin)

    @property
    def _dense_run(self) -> dict[str, str]:
        """Which dense run trials with their own recipes are compared with, where that matters."""
        asks = self.objective.needs_dense or "cost" in self.objective.names
        if asks and any(d.of == "recipe" for d in self.dimensions):
            return {"dense run": "of the suite's recipe"}
        return {}

    @cached_property
    def study_id(self) -> str:
        """16 hexadecimal digits, a digest of `identity`."""
        return digest(self.identity)[:16]

    @property
    def default(self) -> dict[str, Any]:
        """Trial 0: the suite's own value of every dimension."""
        return {d.name: d.default for d in self.dimensions}

    def settings(self, params: Mapping[str, Any]) -> TrialSettings:
        """The settings of a trial with these values. UserError where the strategy refuses them."""
        values = {**self.spec.params_on(self.task.spec)}
        recipe: dict[str, Any] = {}
        densities = self.objective.densities
        for d in self.dimensions:
            value = params[d.name]
            if d.of == "density":
                # the sparsity schedule down to it, as in a run of the suite
                densities = tuple(x for x in densities if x >= value)
                continue
            for path in d.places:
                if d.of == "recipe":
                    recipe = place(recipe, path, value)
                    continue
                if len(path) > 1 and not isinstance(values.get(path[0]), dict):
                    # one number for a whole table: write out the table, then change a part of it
                    values[path[0]] = plain(getattr(self.own, path[0]))
                values = place(values, path, value)
        made = build(self.strategy, values, f"strategy {self.spec.label!r}")
        return TrialSettings(canonical(made), recipe, densities)

    def check_stored(self, stored: str | None, where: str) -> None:
        """UserError where the storage has another study of this name."""
        theirs = json.loads(stored) if stored else {}
        ours = json.loads(self.stored)
        if theirs == ours:
            return
        parts = [key for key in ours if theirs.get(key) != ours[key]]
        key = parts[0]
        differs = _difference(key, theirs.get(key), ours[key])
        more = f" (also different: {', '.join(parts[1:])})" if parts[1:] else ""
        raise UserError(
            f"{where} has another study named {self.name}, with {differs}{more}. A study can only"
            " be resumed as it was started. Start it again with --restart (finished trainings are"
            " reused), rename the suite, or choose other results with --results"
        )

    @property
    def stored(self) -> str:
        """The identity as the storage keeps it."""
        return json.dumps(self.identity, sort_keys=True)


def _difference(key: str, theirs: Any, ours: Any) -> str:
    """How two values differ; of two tables, the entries that differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = [k for k in {**theirs, **ours} if theirs.get(k) != ours.get(k)]
        parts = [_difference(f"{key}.{k}", theirs.get(k), ours.get(k)) for k in keys[:3]]
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        return f"{', '.join(parts)}{more}"
    return f"{key} {_short(theirs)} instead of {_short(ours)}"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."


def goals_of(
    suite: Suite, registry: Registry, root: Path, faults: dict[str, str] | None = None
) -> list[Goal]:
    """The suite's studies, task by task. UserError, with file and line, for what cannot be tuned.

    A task that cannot run has no study; `faults` gets the reason. UserError where no task can run.
    """
    source = SuiteSource(suite.path, suite.text, suite.overridden, suite.added)
    try:
        return _goals(suite, registry, root, {} if faults is None else faults)
    except UserError as error:
        if error.path[:1] == ("tune",):
            raise source.locate(error) from error.__cause__
        raise


def _goals(suite: Suite, registry: Registry, root: Path, faults: dict[str, str]) -> list[Goal]:
    tune = suite.tune
    if tune is None:
        raise UserError(
            f"suite {suite.name!r} has no table [tune]; give every strategy a budget with --budget"
            " trials=20, or add [tune] with budget = { trials = 20 } to the suite"
        )
    seeds = tune.seeds_beside(suite.seeds)
    found: list[Goal] = []
    barren: dict[str, Keys] = {}
    with located(suite):
        tasks = [plan_task(spec, registry, root) for spec in suite.tasks]
    require_some([task.fault for task in tasks])
    for task in tasks:
        spec_of_task = task.spec
        if task.fault is not None:
            faults[spec_of_task.label] = task.fault
            continue
        for spec in suite.strategies:
            if not spec.applies_to(spec_of_task) or not _is_tuned(spec, tune):
                continue
            goal = _goal(suite, tune, task, spec, registry=registry, seeds=seeds)
            if goal is not None:
                found.append(goal)
            elif spec.label in tune.strategies or spec.label in tune.space:
                barren.setdefault(spec.label, _at(spec, tune))
    for label, at in barren.items():
        if not any(goal.spec.label == label for goal in found):
            raise UserError(
                f"{dotted(at)}: {show(label)} has no parameter to tune on these tasks; list some in"
                f" [tune.space.{label}], or remove the label here",
                at,
            )
    if not found:
        raise UserError(
            "tune: none of the strategies has a parameter to tune; list some in"
            " [tune.space.LABEL], with {low, high} or {choices}",
            ("tune",),
        )
    return found


def idle(goals: Sequence[Goal]) -> list[str]:
    """Notes on parameters that the suite lists but that apply to no network of it.

    A suite of several networks may list, say, a rate of convolutions, so this is not an error.
    """
    said = []
    for label, space in goals[0].tune.space.items():
        mine = [goal for goal in goals if goal.spec.label == label]
        tuned = {
            path for g in mine for d in g.dimensions if d.of == "strategy" for path in d.places
        }
        for name in (name for name, domain in space.items() if domain is not False and mine):
            path = tuple(name.split("."))
            if not any(known[: len(path)] == path for known in tuned):
                said.append(
                    f"{dotted(('tune', 'space', label))}: {show(name)} is not tuned because no"
                    " network here has such layers"
                )
    return said


def _is_tuned(spec: StrategySpec, tune: TuneSpec) -> bool:
    if spec.tuned:
        return False  # found by an earlier tuning
    return not tune.strategies or spec.label in tune.strategies


def _at(spec: StrategySpec, tune: TuneSpec) -> Keys:
    if spec.label in tune.space:
        return ("tune", "space", spec.label)
    return ("tune", "strategies", tune.strategies.index(spec.label))


def _goal(
    suite: Suite,
    tune: TuneSpec,
    task: TaskPlan,
    spec: StrategySpec,
    *,
    registry: Registry,
    seeds: tuple[int, ...],
) -> Goal | None:
    """What to find for a strategy on a task; None where there is nothing to tune."""
    cls = registry.get("strategies", spec.use)
    if getattr(cls, "dense_only", False):
        return None
    own = build(cls, spec.params_on(task.spec), f"strategy {spec.label!r}")
    kinds = set(task.layer_kinds.values())
    space = space_of(own, tune.space.get(spec.label), kinds, ("tune", "space", spec.label))
    dimensions = [*space, *_recipe(tune, task)]
    if not dimensions:
        return None
    densities = _densities(tune, task)
    if not densities:
        raise UserError(
            f"tune: {task.spec.label} has no density below 1, so there is no ticket to tune",
            ("tune",),
        )
    if "density" in tune.objectives:
        dimensions.append(_density(densities))
    measure = ACCURACY
    if task.metric is not None:
        measure = Measure(
            f"test_{task.metric.name}", task.metric.unit, task.metric.higher_is_better
        )
    objective = StudyObjective(tune.objectives, densities, seeds, tune.margin, measure=measure)
    return Goal(
        suite=suite,
        tune=tune,
        task=task,
        spec=spec,
        strategy=cls,
        own=own,
        dimensions=tuple(dimensions),
        objective=objective,
    )


def _densities(tune: TuneSpec, task: TaskPlan) -> tuple[float, ...]:
    """The densities of [tune] that the task has too, or all of [tune]'s where it has none."""
    own = tuple(d for d in task.spec.densities if d < 1)
    if not tune.densities:
        return own
    common = (d for d in own if any(abs(d - x) <= DENSITY_TOLERANCE * d for x in tune.densities))
    return tuple(common) or tune.densities


def _recipe(tune: TuneSpec, task: TaskPlan) -> tuple[Dimension, ...]:
    if not tune.recipe:
        return ()
    from lth_bench.training.recipe import Recipe

    own = build(Recipe, task.spec.recipe, f"recipe {task.spec.recipe_name!r}")
    return tuple(replace(d, name=f"recipe.{d.name}") for d in recipe_space(own, tune.recipe))


def _density(densities: Sequence[float]) -> Dimension:
    if len(densities) < 2:
        raise UserError(
            "tune.objective: a front over the density needs at least two densities below 1, but"
            f" there is only {densities[0]:g}",
            ("tune", "objective"),
        )
    # trial 0 is at the sparsest, where the suite's own settings are likely to lose most
    default: Any = densities[-1]
    return choice(DENSITY, default, (), tuple(densities), of="density")
