"""The sources of a task: tasks whose tickets are trained on it too (transfer)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError
from lth_bench.params import dotted
from lth_bench.params.build import Keys
from lth_bench.suite.components import components, recipes_of
from lth_bench.suite.document import SourceTable
from lth_bench.suite.spec import SourceSpec, TaskSpec
from lth_bench.suite.start import with_start


def with_sources(
    task: TaskSpec, tables: Sequence[SourceTable], recipes: Mapping[str, Any], folder: Path
) -> TaskSpec:
    """The task with its sources. The task itself among them is left out: its own tickets are
    trained on it anyway, so that a grid may name all of its tasks.

    UserError for a source that is listed twice.
    """
    found: list[SourceSpec] = []
    for j, table in enumerate(tables):
        at = (*task.at, "sources", j)
        for source in _of_table(task, table, recipes, at, folder):
            if any(one.task.label == source.task.label for one in found):
                raise UserError(
                    f"{dotted(at)}: the source {source.task.label} is listed twice for "
                    f"{task.label}; keep one",
                    at,
                )
            if source.task.label != task.label:
                found.append(source)
    return dataclasses.replace(task, sources=tuple(found))


def _of_table(
    task: TaskSpec, table: SourceTable, recipes: Mapping[str, Any], at: Keys, folder: Path
) -> list[SourceSpec]:
    models, datasets = [task.model], [task.dataset]
    names: tuple[str, ...] = (task.recipe_name,)
    if table.model is not None:
        models = [with_start(m, folder) for m in components(table.model, (*at, "model"))]
    if table.dataset is not None:
        datasets = components(table.dataset, (*at, "dataset"))
    if table.recipe is not None:
        names = recipes_of(table.recipe, (*at, "recipe"), recipes)
    return [
        SourceSpec(
            task=dataclasses.replace(
                task,
                model=model,
                dataset=dataset,
                recipe_name=name,
                recipe=recipes[name],
                generalises_at=None,
                decision_boundary=False,
                at=at,
            ),
            classifier=table.classifier,
        )
        for model, dataset, name in itertools.product(models, datasets, names)
    ]
