"""From a suite to its studies: one a task and strategy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.params import build, dotted, show
from lth_bench.running.plan import require_some
from lth_bench.running.task_plan import TaskPlan, plan_task
from lth_bench.suite.claims import DENSITY_TOLERANCE
from lth_bench.suite.source import Source
from lth_bench.suite.spec import Keys, StrategySpec, Suite
from lth_bench.suite.tune import TuneSpec
from lth_bench.tuning.dimension import Dimension, choice
from lth_bench.tuning.goal import DENSITY, Goal
from lth_bench.tuning.objective import Objective
from lth_bench.tuning.space import recipe_space, space_of

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


def goals_of(
    suite: Suite, registry: Registry, root: Path, faults: dict[str, str] | None = None
) -> list[Goal]:
    """The suite's studies, tasks first. UserError, with file and line, for what cannot be tuned.

    Tasks that cannot run have none; `faults` learns why, and a UserError says it where none can.
    """
    source = Source(suite.path, suite.text, suite.overridden, suite.added)
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
            f"suite {suite.name!r} has no [tune]; say what each strategy may spend with --budget"
            " trials=20, or write a table [tune] with budget = { trials = 20 }"
        )
    seeds = tune.seeds_beside(suite.seeds)
    found: list[Goal] = []
    barren: dict[str, Keys] = {}
    tasks = [plan_task(spec, registry, root) for spec in suite.tasks]
    require_some([task.fault for task in tasks])
    for task in tasks:
        spec_of_task = task.spec
        if task.fault is not None:
            faults[spec_of_task.label] = task.fault
            continue
        for spec in suite.strategies:
            if not spec.applies_to(spec_of_task) or not _wanted(spec, tune):
                continue
            goal = _goal(suite, tune, task, spec, registry, seeds)
            if goal is not None:
                found.append(goal)
            elif spec.label in tune.strategies or spec.label in tune.space:
                barren.setdefault(spec.label, _at(spec, tune))
    for label, at in barren.items():
        if not any(goal.spec.label == label for goal in found):
            raise UserError(
                f"{dotted(at)}: {show(label)} has no parameter to tune on these tasks; name some in"
                f" [tune.space.{label}], or leave it out",
                at,
            )
    if not found:
        raise UserError(
            "tune: none of the strategies has a parameter to tune; name some in"
            " [tune.space.LABEL], with {low, high} or {choices}",
            ("tune",),
        )
    return found


def idle(goals: Sequence[Goal]) -> list[str]:
    """What must be said of parameters that the suite asks for, and that no network here has.

    A rate of convolutions may be named for a suite of several networks, so it is no mistake.
    """
    said = []
    for label, space in goals[0].tune.space.items():
        mine = [goal for goal in goals if goal.spec.label == label]
        tuned = {
            path for g in mine for d in g.dimensions if d.of == "strategy" for path in d.places
        }
        for name in (name for name, wish in space.items() if wish is not False and mine):
            path = tuple(name.split("."))
            if not any(known[: len(path)] == path for known in tuned):
                said.append(
                    f"{dotted(('tune', 'space', label))}: {show(name)} is not tuned, since no"
                    " network here has such layers"
                )
    return said


def _wanted(spec: StrategySpec, tune: TuneSpec) -> bool:
    if spec.tuned:
        return False  # an earlier tuning's own
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
    registry: Registry,
    seeds: tuple[int, ...],
) -> Goal | None:
    """The study of a strategy on a task; None where there is nothing to tune."""
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
        raise UserError(f"{task.spec.label} has no density below 1 to tune at", ("tune",))
    if "density" in tune.objectives:
        dimensions.append(_density(densities))
    objective = Objective(tune.objectives, densities, seeds, tune.margin)
    return Goal(suite, tune, task, spec, cls, own, tuple(dimensions), objective)


def _densities(tune: TuneSpec, task: TaskPlan) -> tuple[float, ...]:
    """Those of the tuning that are the task's own too; all of them where none is."""
    own = tuple(d for d in task.spec.densities if d < 1)
    if not tune.densities:
        return own
    common = (d for d in own if any(abs(d - x) <= DENSITY_TOLERANCE * d for x in tune.densities))
    return tuple(common) or tune.densities


def _recipe(tune: TuneSpec, task: TaskPlan) -> tuple[Dimension, ...]:
    if not tune.recipe:
        return ()
    from dataclasses import replace

    from lth_bench.training.recipe import Recipe

    own = build(Recipe, task.spec.recipe, f"recipe {task.spec.recipe_name!r}")
    return tuple(replace(d, name=f"recipe.{d.name}") for d in recipe_space(own, tune.recipe))


def _density(densities: Sequence[float]) -> Dimension:
    if len(densities) < 2:
        raise UserError(
            "tune.objective: a front against the density needs at least two densities to choose"
            f" from, but there is {densities[0]:g} alone",
            ("tune", "objective"),
        )
    # trial 0 at the sparsest: where the suite's own settings are likely to lose most
    default: Any = densities[-1]
    return choice(DENSITY, default, (), tuple(densities), of="density")
