"""Checks a suite before a run: its plugins and their parameters, and whether the command line
allows its own code and an external database.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError, describe_error, some_of
from lth_bench.params import build, dotted
from lth_bench.params.build import Keys
from lth_bench.suite.source import SuiteSource, holds
from lth_bench.suite.spec import Side, StrategySpec, Suite, TaskSpec
from lth_bench.system.blame import ends_the_run, where
from lth_bench.system.text import redacted

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


def check(suite: Suite, registry: Registry) -> None:
    """Create every model, dataset, objective, recipe and strategy of the suite from its parameters.

    UserError with file, line and key of the first that is invalid.
    """
    source = SuiteSource(suite.path, suite.text, suite.overridden, suite.added)
    try:
        _check(suite, registry)
    except UserError as error:
        raise source.locate(error) from error.__cause__


def _check(suite: Suite, registry: Registry) -> None:
    from lth_bench.training.recipe import Recipe

    recipes: set[str] = set()
    for task in (one for listed in suite.tasks for one in listed.with_sources):
        parts = [("models", task.model), ("datasets", task.dataset)]
        if task.objective is not None:
            parts.append(("objectives", task.objective))
        for group, part in parts:
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
    unpruned = unpruned_only(suite, registry)
    _require_sparse(suite, unpruned)
    uses = {strategy.label: strategy.use for strategy in suite.strategies}
    for claim in suite.claims:
        for side in (claim.of, claim.versus):
            if side is not None and side.label in uses:
                _check_side(side, claim.at, unpruned=uses[side.label] in unpruned)


def unpruned_only(suite: Suite, registry: Registry) -> dict[str, bool]:
    """Those of the suite's strategies that report the unpruned network, at density 1.0, and nothing
    else, and whether they train it themselves. Of those that are not installed nothing is known.
    """
    from lth_bench.plugins.contract import trains_dense

    found = {}
    for use in {strategy.use for strategy in suite.strategies}:
        try:
            cls = registry.get("strategies", use)
        except UserError:
            continue
        if getattr(cls, "dense_only", False):
            found[use] = trains_dense(cls)
    return found


def _require_sparse(suite: Suite, unpruned: Collection[str]) -> None:
    """UserError where no task has a density at which the listed methods would do anything."""
    methods = [s.label for s in suite.strategies if s.use not in unpruned]
    if methods and not any(d < 1 for task in suite.tasks for d in task.densities):
        raise UserError(
            f"suite.densities: no task has a density below 1, so that only the dense network would "
            f"train and nothing of {some_of(methods)}; add one in (0, 1), such as 0.2, or choose "
            f"the dense run alone with -s dense",
            ("suite", "densities"),
        )


def _check_side(side: Side, at: Keys, *, unpruned: bool) -> None:
    here = (*at, "density")
    if unpruned and (side.found_on is not None or side.densities != (1.0,)):
        raise UserError(
            f"{dotted(here)}: {side.label!r} reports the unpruned network only; write density = 1.0"
            " and name no source",
            here,
        )
    if not unpruned and side.densities == (1.0,):
        raise UserError(
            f"{dotted(here)}: {side.label!r} reports no unpruned network; name one of the task's"
            " densities below 1",
            here,
        )


def _plugin(registry: Registry, group: str, name: str, at: Keys) -> type[Any]:
    try:
        cls: type[Any] = registry.get(group, name)
    except UserError as error:
        raise UserError(f"{dotted(at)}: {error.message}", at) from error
    return cls


def _places(strategy: StrategySpec, task: TaskSpec) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """The tables that set a strategy's parameters on this task, in order of precedence."""
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
    """Build it. An error's path leads into the first table that has its key."""
    try:
        build(cls, values, what)
    except UserError as error:
        at = next(
            (at for at, table in tables if error.path and holds(table, error.path)), tables[-1][0]
        )
        error.path = (*at, *error.path)
        raise
    except BaseException as error:  # a plugin's __post_init__ may raise anything
        if ends_the_run(error):
            raise
        raise UserError(f"{what}: {describe_error(error)}{where(error)}", tables[-1][0]) from error


def require_plugins(suite: Suite, files: Sequence[Path], command: str) -> None:
    """Refuse a suite unless all of its `plugins` are in `files`; the error prints the command.

    A suite lists them relative to its own folder. `command` is what was typed, without --plugin:
    `lth-bench run mine.toml`.
    """
    folder = suite.path.resolve().parent
    named = {Path(file).resolve() for file in files}
    missing = [folder / name for name in suite.plugins if (folder / name).resolve() not in named]
    if missing:
        flags = (f"--plugin {shlex.quote(_short(path))}" for path in [*files, *missing])
        options = " ".join(dict.fromkeys(flags))
        raise UserError(
            f"suite {suite.name!r} needs its own code: {', '.join(map(_short, missing))}."
            f" Read it, then allow it with\n  {command} {options}",
            ("plugins",),
        )


def require_storage(suite: Suite, command: str) -> None:
    """Refuse a suite that stores its studies in a database unless --storage gives it too.

    Its URL could lead to any host or file. `command` is what was typed, without --storage.
    """
    url = suite.tune.storage if suite.tune is not None else None
    if url is None or any(at == ("tune", "storage")[: len(at)] for at in suite.overridden):
        return
    raise UserError(
        f"suite {suite.name!r} stores its studies in the database {redacted(url)}. A suite alone"
        f" cannot open a database; if you trust it, allow it with\n"
        f"  {command} --storage {shlex.quote(redacted(url))}\n"
        f"or remove `storage` from [tune] to store them beside the results",
        ("tune", "storage"),
    )


def _short(path: Path) -> str:
    whole = Path(path).resolve()  # show the target of a link, since that is what would run
    try:
        return str(whole.relative_to(Path.cwd()))
    except ValueError:
        return str(whole)
