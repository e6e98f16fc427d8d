"""The part of a suite that only plugins can judge: their names and their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError, told
from lth_bench.params import build, dotted
from lth_bench.suite.source import Source, holds
from lth_bench.suite.spec import Keys, StrategySpec, Suite, TaskSpec
from lth_bench.system.blame import ends_the_run, where

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


def check(suite: Suite, registry: Registry) -> None:
    """Build every model, dataset, recipe and strategy of the suite once, as parameters only.

    Raises UserError with the file, line and key of the first that cannot be.
    """
    source = Source(suite.path, suite.text, suite.overridden, suite.added)
    try:
        _check(suite, registry)
    except UserError as error:
        raise source.locate(error) from error.__cause__


def _check(suite: Suite, registry: Registry) -> None:
    from lth_bench.training.recipe import Recipe

    recipes: set[str] = set()
    for task in suite.tasks:
        for group, part in (("models", task.model), ("datasets", task.dataset)):
            cls = _plugin(registry, group, part.name, part.at)
            _build(cls, part.params, f"{group[:-1]} {part.name!r}", [(part.at, part.params)])
        name = task.recipe_name
        if name not in recipes:
            recipes.add(name)
            _build(Recipe, task.recipe, f"recipe {name!r}", [(("recipes", name), task.recipe)])
    for strategy in suite.strategies:
        cls = _plugin(registry, "strategies", strategy.use, (*strategy.at, "use"))
        tasks = [t for t in suite.tasks if strategy.applies_to(t)]
        models = {t.model.label: t for t in tasks if strategy.tuned_on(t) is None}
        several = len({t.model.label for t in tasks}) > 1
        for task in (*models.values(), *(t for t in tasks if strategy.tuned_on(t) is not None)):
            what = f"strategy {strategy.label!r}" + (f" on {task.model.label}" if several else "")
            _build(cls, strategy.params_on(task), what, list(_places(strategy, task)))
            tuned = strategy.tuned_on(task)
            if tuned is not None and tuned.train:
                at = (*tuned.at, "train")
                _build(Recipe, strategy.recipe_on(task), f"{what}: train", [(at, tuned.train)])


def _plugin(registry: Registry, group: str, name: str, at: Keys) -> type[Any]:
    try:
        cls: type[Any] = registry.get(group, name)
    except UserError as error:
        raise UserError(f"{dotted(at)}: {error.message}", at) from error
    return cls


def _places(strategy: StrategySpec, task: TaskSpec) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """The tables that set a strategy's parameters on this task, the one that wins first."""
    model, tuned = task.model, strategy.tuned_on(task)
    if tuned is not None:
        yield (*tuned.at, "params"), tuned.params
    for key in (model.label, model.name):
        if key in strategy.per_model:
            yield (*strategy.at, "per_model", key), strategy.per_model[key]
    yield (*strategy.at, "params"), strategy.params


def _build(
    cls: type[Any],
    values: Mapping[str, Any],
    what: str,
    tables: Sequence[tuple[Keys, Mapping[str, Any]]],
) -> None:
    """Build it; an error's path then leads into the first table that holds the key it names."""
    try:
        build(cls, values, what)
    except UserError as error:
        at = next(
            (at for at, table in tables if error.path and holds(table, error.path)), tables[-1][0]
        )
        error.path = (*at, *error.path)
        raise
    except BaseException as error:  # whatever a plugin's __post_init__ raises
        if ends_the_run(error):
            raise
        raise UserError(f"{what}: {told(error)}{where(error)}", tables[-1][0]) from error
