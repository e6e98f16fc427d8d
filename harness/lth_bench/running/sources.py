"""The source tasks of a plan, whose tickets others train; all checked before any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.lottery.experiment import SourceTask
from lth_bench.running.task_plan import TaskPlan, plan_task, shapes_of

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import SourceSpec


@dataclass(frozen=True, kw_only=True)
class PlannedSource:
    """A task whose tickets another task trains."""

    task: TaskPlan
    spec: SourceSpec
    listed: bool
    """Whether the suite has the task too, whose experiments then find the same tickets."""

    @property
    def identity(self) -> list[Any]:
        """Its part of an experiment's identity."""
        task = self.task
        about = [task.model, task.dataset, task.spec.recipe_name, task.recipe, task.source]
        return [*about, task.objective, self.spec.classifier]

    @property
    def recorded(self) -> SourceTask:
        """As experiments have it."""
        task = self.task
        return SourceTask(
            model=task.model,
            model_label=task.model_label,
            dataset=task.dataset,
            dataset_label=task.dataset_label,
            recipe_name=task.spec.recipe_name,
            recipe=task.recipe,
            objective=task.objective,
            classifier=self.spec.classifier,
        )


def plan_sources(
    target: TaskPlan, known: Mapping[str, TaskPlan], registry: Registry, data_root: Path
) -> list[PlannedSource]:
    """The sources of a task; `known` are the suite's own tasks by label.

    UserError for a network that is not the target's up to the classifier. A source that cannot run
    makes its experiments fail with that reason.
    """
    found = []
    for spec in target.spec.sources:
        label = spec.task.label
        task = known.get(label) or plan_task(spec.task, registry, data_root)
        if task.fault is None and target.fault is None:
            _require_fit(task, target, registry, spec.task.at)
        found.append(PlannedSource(task=task, spec=spec, listed=label in known))
    return found


def _require_fit(
    source: TaskPlan, target: TaskPlan, registry: Registry, at: tuple[str | int, ...]
) -> None:
    from lth_bench.lottery.transfer import misfit

    here, layers = shapes_of(target, registry)
    there, others = shapes_of(source, registry)
    why = misfit(there, here, layers)
    if why is None and [x.name for x in layers] != [x.name for x in others]:
        why = "other layers are prunable there"
    if why is not None:
        raise UserError(
            f"tickets of {source.spec.label} do not fit {target.spec.label}: {why}; a transfer "
            f"needs the same network, of which only the classifier may differ",
            at,
        )
