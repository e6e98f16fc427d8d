"""Reads a suite: from its TOML to the grid of experiments."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lth_bench.errors import UnknownName, UserError, suggest
from lth_bench.params import build, dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.ablations import Ablation, label_of
from lth_bench.suite.claims import claims_of
from lth_bench.suite.components import component, components, recipes_of
from lth_bench.suite.decide import FEWEST
from lth_bench.suite.document import (
    SCHEMA_VERSION,
    Densities,
    Document,
    SparsitySchedule,
    StrategyTable,
    TaskTable,
    safe,
)
from lth_bench.suite.overrides import add_to, apply_overrides
from lth_bench.suite.select import select
from lth_bench.suite.source import SuiteSource, find, parse, read
from lth_bench.suite.sources import with_sources
from lth_bench.suite.spec import StrategySpec, Suite, TaskSpec
from lth_bench.suite.start import with_start
from lth_bench.suite.tune import tune_of
from lth_bench.suite.tuned import tuned_of

MAX_TASKS = 1_000
"""Maximum number of tasks of one table: lists in an untrusted suite could multiply to any
number."""


def load_suite(
    suite: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    seeds: str | Sequence[int] | None = None,
    strategies: Sequence[str] = (),
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    added: Mapping[str, str] | None = None,
) -> Suite:
    """The suite at a path, or the shipped suite of that name.

    `overrides` are the texts after `--set`. `seeds` is a list, or as on the command line a count or
    numbers with commas. `strategies`, `models` and `datasets` keep only these, by name or label.
    `added` are strategies to append, by name, each with the option that adds it. Raises UserError
    with file, line and key for any mistake in the suite, and NothingSelected where the filters
    exclude every experiment. Names of plugins and their parameters are checked by `check`.
    """
    path = find(suite)
    whole = suite_of(read(path), path, overrides, added)
    return select(whole, seeds, strategies, models, datasets)


def suite_of(
    text: str,
    path: Path,
    overrides: Sequence[str] = (),
    added: Mapping[str, str] | None = None,
) -> Suite:
    """The suite described by a TOML text, for example one stored in a database.

    Errors name `path`. UserError as from `load_suite`.
    """
    document = parse(text, path)
    new = add_to(document, added or {})
    places = apply_overrides(document, overrides)
    source = SuiteSource(path, text, places, new)
    try:
        return _assemble(document, source, overrides)
    except UserError as error:
        raise source.locate(error) from error.__cause__


def _assemble(document: dict[str, Any], source: SuiteSource, overrides: Sequence[str]) -> Suite:
    _check_version(document)
    _check_integers(document, ())
    read = build(Document, copy.deepcopy(document))
    folder = source.path.absolute().parent
    tasks = [task for i, table in enumerate(read.tasks) for task in _tasks(i, table, read, folder)]
    _distinct_tasks(tasks)
    listed = [
        _strategy(i, table, read.suite.controls, tasks) for i, table in enumerate(read.strategies)
    ]
    strategies = [
        one
        for spec, table in zip(listed, read.strategies, strict=True)
        for one in (spec, *_ablated(spec, table, read.suite.ablations))
    ]
    _check_labels(strategies, read.suite.baseline)
    seeds = _seeds(read.suite.seeds)
    return Suite(
        name=read.suite.name,
        version=read.suite.version,
        description=read.suite.description,
        densities=_sorted(read.suite.densities) or tasks[0].densities,
        seeds=seeds,
        decide=read.suite.decide,
        controls=tuple(read.suite.controls),
        baseline=read.suite.baseline,
        board=read.suite.board,
        headline=_headline(read.suite.headline, tasks),
        tasks=tuple(tasks),
        strategies=tuple(strategies),
        plugins=tuple(dict.fromkeys((*read.plugins, *_files(tasks)))),
        text=source.text,
        path=source.path,
        overrides=tuple(overrides),
        overridden=source.overrides,
        added=source.added,
        claims=claims_of(read.claims, tasks, strategies, overridden=bool(overrides)),
        tune=tune_of(read.tune, seeds, listed),
    )


def _check_version(document: Mapping[str, Any]) -> None:
    version = document.get("schema_version")
    if version is None:
        raise UserError(
            f"schema_version is missing; start the file with `schema_version = {SCHEMA_VERSION}`"
        )
    at = ("schema_version",)
    if type(version) is not int or version < 1:
        raise UserError(f"schema_version must be {SCHEMA_VERSION}, but got {show(version)}", at)
    if version > SCHEMA_VERSION:
        raise UserError(
            f"schema_version {show(version)} is newer than this version of lth-bench supports"
            f" ({SCHEMA_VERSION}); upgrade lth-bench",
            at,
        )


def _check_integers(value: object, path: Keys) -> None:
    """TOML's integers have 64 bits; Python's parser accepts longer ones."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise UserError(
            f"{dotted(path)} must be an integer of at most 64 bits, but got a longer one", path
        )
    if isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in items:
            _check_integers(inner, (*path, key))


def _seeds(seeds: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """None, as with `decide` alone, is as many as its first look needs."""
    if seeds is None:
        seeds = FEWEST
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else seeds
    if not chosen:
        raise UserError("suite.seeds is empty; it needs at least one seed", ("suite", "seeds"))
    return chosen


def _sorted(densities: Densities | None) -> tuple[float, ...]:
    if densities is None:
        return ()
    chosen = densities.densities() if isinstance(densities, SparsitySchedule) else densities
    return tuple(sorted(chosen, reverse=True))


def _headline(density: float | None, tasks: Sequence[TaskSpec]) -> float | None:
    """UserError for a density that no task has: nothing would be known of it."""
    there = {d for task in tasks for d in task.densities}
    if density is not None and density not in there:
        listed = ", ".join(f"{d:g}" for d in sorted(there, reverse=True))
        raise UserError(
            f"suite.headline must be a density of one of the tasks, but got {show(density)}; there "
            f"are {listed}",
            ("suite", "headline"),
        )
    return density


def _tasks(i: int, table: TaskTable, document: Document, folder: Path) -> list[TaskSpec]:
    at: Keys = ("tasks", i)
    densities = _sorted(table.densities) or _sorted(document.suite.densities)
    if not densities:
        raise UserError(f"{dotted(at)} has no densities; set them in [suite] or in every task", at)
    models = [with_start(m, folder) for m in components(table.model, (*at, "model"))]
    datasets = components(table.dataset, (*at, "dataset"))
    recipes = recipes_of(table.recipe, (*at, "recipe"), document.recipes)
    objective = None
    if table.objective is not None:
        objective = component(table.objective, (*at, "objective"))
    count = len(models) * len(datasets) * len(recipes)
    if count > MAX_TASKS:
        raise UserError(
            f"{dotted(at)}: {len(models)} models × {len(datasets)} datasets × {len(recipes)}"
            f" recipes are {count:,} tasks, but {MAX_TASKS:,} are allowed; split the suite",
            at,
        )
    tasks = [
        TaskSpec(
            model=model,
            dataset=dataset,
            recipe_name=recipe,
            recipe=document.recipes[recipe],
            densities=densities,
            objective=objective,
            generalises_at=table.generalises_at,
            decision_boundary=table.decision_boundary,
            prunable=table.prunable,
            not_prunable=table.not_prunable,
            at=at,
        )
        for model, dataset, recipe in itertools.product(models, datasets, recipes)
    ]
    return [with_sources(task, table.sources, document.recipes, folder) for task in tasks]


def _files(tasks: Iterable[TaskSpec]) -> Iterator[str]:
    """The one-file plugins that `python:` names."""
    for task in (one for listed in tasks for one in listed.with_sources):
        for one in (task.model, task.dataset, task.objective):
            if one is not None and one.file is not None:
                yield one.file


def _distinct_tasks(tasks: Sequence[TaskSpec]) -> None:
    seen: dict[str, TaskSpec] = {}
    for task in tasks:
        same = seen.setdefault(task.label, task)
        if same.model.start != task.model.start:
            raise UserError(
                f"{dotted(task.at)}: two starts of {task.label} have the same file name, which "
                f"names the task in the results; rename one of the files",
                task.at,
            )
        if same is not task:
            raise UserError(
                f"{dotted(task.at)}: the task {task.label} is listed twice; tasks that differ in "
                f"their objective or in what is prunable need recipes of different names",
                task.at,
            )


def _strategy(
    i: int, table: StrategyTable, controls: Sequence[str], tasks: Sequence[TaskSpec]
) -> StrategySpec:
    at: Keys = ("strategies", i)
    known = {name for task in tasks for name in (task.model.name, task.model.label)}
    named: list[tuple[Keys, str]] = [(("per_model", key), key) for key in table.per_model]
    named += [(("models", j), key) for j, key in enumerate(table.models)]
    for place, key in named:
        if key not in known:
            where = dotted((*at, *place[:1]))
            hint = suggest(key, sorted(known))
            raise UserError(f"{where}: no task has a model {show(key)}{hint}", (*at, *place))
    return StrategySpec(
        use=table.use,
        label=table.label if table.label is not None else table.use,
        params=table.params,
        per_model=table.per_model,
        controls=tuple(controls if table.controls is None else table.controls),
        models=table.models,
        at=at,
        tuned=tuned_of(table.tuned, tasks, at),
    )


def _ablated(
    spec: StrategySpec, table: StrategyTable, everywhere: Sequence[Ablation]
) -> list[StrategySpec]:
    """The strategy's ablations, without controls."""
    asked = everywhere if table.ablations is None else table.ablations
    if spec.use == "dense":  # which has no search, and takes no part in those of the whole suite
        asked = table.ablations or ()
    found = []
    for name in asked:
        label = label_of(spec.label, name)
        try:
            safe(label, "the label of an ablation")
        except UserError as error:
            error.path = (*spec.at, "ablations")
            raise
        found.append(
            replace(
                spec,
                label=label,
                controls=(),
                ablation=name,
                explicit=table.ablations is not None,
                compared_to=table.compared_to if name == "equal_cost" else None,
            )
        )
    return found


def _check_labels(strategies: Sequence[StrategySpec], baseline: str) -> None:
    labels = [strategy.label for strategy in strategies]
    for strategy in strategies:
        if strategy.compared_to is not None and strategy.compared_to not in labels:
            unknown = UnknownName("label", strategy.compared_to, set(labels))
            at = (*strategy.at, "compared_to")
            raise UserError(f"{dotted(at)}: {unknown.message}", at)
    for i, strategy in enumerate(strategies):
        if strategy.label in labels[:i]:
            raise UserError(
                f"{dotted(strategy.at)}: the label {show(strategy.label)} is taken by"
                f" strategies[{labels.index(strategy.label)}]; give one of them another `label`",
                strategy.at,
            )
    if baseline not in (*labels, "dense"):
        unknown = UnknownName("label", baseline, {*labels, "dense"})
        raise UserError(f"suite.baseline: {unknown.message}", ("suite", "baseline"))
