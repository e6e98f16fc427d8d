"""Read [[claims]]: the task, the labels and the densities that each claim is about."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.errors import UnknownName, UserError, suggest
from lth_bench.params import dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.document import ClaimTable
from lth_bench.suite.published import quoted
from lth_bench.suite.spec import Claim, Side, StrategySpec, TaskSpec

_NAMED = ("model", "dataset", "recipe")
DENSITY_TOLERANCE = 0.005
"""Relative distance at which a claim's density still means the task's: 0.21 is 0.2107."""


def claims_of(
    tables: Sequence[ClaimTable],
    tasks: Sequence[TaskSpec],
    strategies: Sequence[StrategySpec],
    overridden: bool = False,
) -> tuple[Claim, ...]:
    """The suite's claims. UserError for a claim about something that the suite does not have.

    If `--set` has changed the suite, such a claim is left out instead: a suite reduced to two of
    its densities cannot decide claims about the others.
    """
    found: list[Claim] = []
    for i, table in enumerate(tables):
        at: Keys = ("claims", i)
        if any(claim.name == table.name for claim in found):
            raise UserError(
                f"{dotted((*at, 'name'))}: another claim is already named {show(table.name)};"
                " rename one",
                (*at, "name"),
            )
        try:
            found.append(_claim(table, tasks, strategies, at))
        except UserError:
            if not overridden:
                raise
    return tuple(found)


def _claim(
    table: ClaimTable, tasks: Sequence[TaskSpec], strategies: Sequence[StrategySpec], at: Keys
) -> Claim:
    task = _task(table, tasks, at)
    of = _side(
        table.of, (*at, "of"), task=task, strategies=strategies, density=table.density, at=at
    )
    versus = None
    if table.versus is not None:
        here = (*at, "versus")
        other = _other_task(table, task, tasks, at)
        versus = _side(
            table.versus, here, task=other, strategies=strategies, density=table.density, at=at
        )
        if versus == of:
            raise UserError(
                f"{dotted(here)} must differ from `of`, but both are {show(table.versus)}", here
            )
    sides = (of, versus)
    if table.density is not None and not any(_is_ticket(s, strategies) for s in sides):
        raise UserError(
            f"{dotted((*at, 'density'))}: a claim about dense runs takes no density; remove it",
            (*at, "density"),
        )
    thresholds = {key: getattr(table, key) for key in ("at_least", "at_most", "within")}
    bound = next((key for key, value in thresholds.items() if value is not None), "reported")
    figures, published = _published(table, (*at, "published"))
    return Claim(
        name=table.name,
        text=table.text,
        source=table.source,
        metric=table.metric,
        of=of,
        versus=versus,
        compare="value" if versus is None else table.compare,
        bound=bound,  # type: ignore[arg-type]  # one of the three keys, or reported
        threshold=thresholds.get(bound),
        published=published,
        figures=figures,
        at=at,
    )


def _is_ticket(side: Side | None, strategies: Sequence[StrategySpec]) -> bool:
    if side is None:
        return False
    return any(s.label == side.label and s.use != "dense" for s in strategies)


def _published(table: ClaimTable, at: Keys) -> tuple[tuple[str, ...], tuple[float, float] | None]:
    """The rows that a claim names, and the figure with its range."""
    given = table.published
    if given is None or isinstance(given, float):
        return (), None if given is None else (given, given)
    if isinstance(given, str):
        return (given,), quoted((given,), table.compare, at)
    one, other = given
    if isinstance(one, str) and isinstance(other, str):
        return (one, other), quoted((one, other), table.compare, at)
    return (), (float(one), float(other))


def _task(table: ClaimTable, tasks: Sequence[TaskSpec], at: Keys) -> TaskSpec:
    """The one task that fits the claim's model, dataset and recipe."""
    fitting = list(tasks)
    for key in _NAMED:
        wanted = getattr(table, key)
        if wanted is None:
            continue
        kept = _called(fitting, key, wanted)
        if not kept:
            here = (*at, key)
            names = list(dict.fromkeys(name for task in fitting for name in _names(task, key)))
            raise UserError(
                f"{dotted(here)}: no task has a {key} {show(wanted)}{suggest(wanted, names)}", here
            )
        fitting = kept
    if len(fitting) > 1:
        raise UserError(
            f"{dotted(at)} must be about one task, but fits {len(fitting)} of them:"
            f" {', '.join(task.label for task in fitting)}; set model, dataset or recipe",
            at,
        )
    return fitting[0]


def _called(tasks: Sequence[TaskSpec], key: str, wanted: str) -> list[TaskSpec]:
    """Those with this label; or else of this name, which networks of other parameters share."""
    by_label = [task for task in tasks if _names(task, key)[-1] == wanted]
    return by_label or [task for task in tasks if wanted in _names(task, key)]


def _names(task: TaskSpec, key: str) -> tuple[str, ...]:
    if key == "recipe":
        return (task.recipe_name,)
    part = task.model if key == "model" else task.dataset
    return (part.name, part.label)


def _other_task(table: ClaimTable, task: TaskSpec, tasks: Sequence[TaskSpec], at: Keys) -> TaskSpec:
    """The task of `versus`: on the same dataset, with `versus_model` and `versus_recipe`."""
    wanted = {key: getattr(table, f"versus_{key}") for key in ("model", "recipe")}
    given = [key for key, name in wanted.items() if name is not None]
    if not given:
        return task
    siblings = [
        t
        for t in tasks
        if t.dataset == task.dataset
        and ("model" in given or t.model == task.model)
        and ("recipe" in given or t.recipe_name == task.recipe_name)
    ]
    for key in given:
        here = (*at, f"versus_{key}")
        found = _called(siblings, key, str(wanted[key]))
        if not found:
            names = list(dict.fromkeys(name for t in siblings for name in _names(t, key)))
            raise UserError(
                f"{dotted(here)}: {task.label} has no {key} {show(wanted[key])} beside it"
                f"{suggest(wanted[key], names)}",
                here,
            )
        siblings = found
    if len(siblings) > 1:
        here = (*at, f"versus_{given[0]}")
        raise UserError(
            f"{dotted(here)} must mean one task, but fits {len(siblings)} of them:"
            f" {', '.join(t.label for t in siblings)}; give the label",
            here,
        )
    return siblings[0]


def _side(
    name: str,
    here: Keys,
    *,
    task: TaskSpec,
    strategies: Sequence[StrategySpec],
    density: float | tuple[float, ...] | None,
    at: Keys,
) -> Side:
    name, transferred, origin = name.partition(" from ")
    label, slash, control = name.partition("/")
    known = {strategy.label: strategy for strategy in strategies}
    if label not in known and label != "dense":
        unknown = UnknownName("label", label, {*known, "dense"})
        raise UserError(f"{dotted(here)}: {unknown.message}", here)
    strategy = known.get(label)
    if strategy is not None and not strategy.applies_to(task):
        raise UserError(f"{dotted(here)}: {show(label)} does not run on {task.model.label}", here)
    dense = strategy is None or strategy.use == "dense"
    controls = () if strategy is None or dense else strategy.controls
    if slash and control not in controls:
        hint = suggest(control, controls) or "; it has none"
        raise UserError(f"{dotted(here)}: {show(label)} has no control {show(control)}{hint}", here)
    key = (task.model.label, task.dataset.label, task.recipe_name)
    if dense and transferred:
        raise UserError(
            f"{dotted(here)}: a dense run has no ticket from another task; remove"
            f" {show(f' from {origin}')}",
            here,
        )
    densities = (1.0,) if dense else _densities(density, task, at)
    found_on = _source(origin, task, here) if transferred else None
    return Side(label, control or "none", key, densities, found_on=found_on)


def _source(origin: str, task: TaskSpec, here: Keys) -> tuple[str, str, str]:
    """The one source of the task that is called so."""
    called: dict[str, set[str]] = {}
    for source in task.sources:
        names = (name for key in _NAMED for name in _names(source.task, key))
        called[source.task.label] = {source.task.label, *names}
    fitting = [label for label, names in called.items() if origin in names]
    if not called:
        raise UserError(
            f"{dotted(here)}: {task.label} has no sources; give it some, or remove"
            f" {show(f' from {origin}')}",
            here,
        )
    if len(fitting) != 1:
        which = f"{len(fitting)} of its sources are" if fitting else "none of its sources is"
        raise UserError(
            f"{dotted(here)}: {which} called {show(origin)}; {task.label} has {', '.join(called)}",
            here,
        )
    (found,) = (one.task for one in task.sources if one.task.label == fitting[0])
    return (found.model.label, found.dataset.label, found.recipe_name)


def _densities(
    asked: float | tuple[float, ...] | None, task: TaskSpec, at: Keys
) -> tuple[float, ...]:
    """The task's densities that the claim is about."""
    if asked == 1:  # of a strategy that reports the unpruned network, which `suite.check` knows
        return (1.0,)
    here = (*at, "density")
    sparse = [d for d in task.densities if d < 1]
    there = ", ".join(f"{d:g}" for d in sparse) or "only 1"
    if asked is None:
        raise UserError(f"{dotted(at)} needs a density; {task.label} has {there}", at)
    found: set[float] = set()
    for i, density in enumerate(asked if isinstance(asked, tuple) else (asked,)):
        place = (*here, i) if isinstance(asked, tuple) else here
        near = [d for d in sparse if abs(d - density) <= DENSITY_TOLERANCE * density]
        if not near:
            raise UserError(
                f"{dotted(place)}: {task.label} has no density {density:g}; it has {there}", place
            )
        nearest = min(near, key=lambda d: abs(d - density))
        if nearest in found:
            raise UserError(
                f"{dotted(place)}: density {nearest:g} is listed twice; keep one", place
            )
        found.add(nearest)
    return tuple(sorted(found, reverse=True))
