"""What tuning found, as a suite says it: [[strategies.tuned]]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from lth_bench.errors import UserError
from lth_bench.params import Range, dotted, show

if TYPE_CHECKING:
    from lth_bench.suite.spec import Keys, Suite, TaskSpec


@dataclass(frozen=True, kw_only=True)
class TunedTable:
    """One of [[strategies.tuned]]: a strategy's parameters on one task.

    A strategy that has such tables runs on the tasks they name, and on no others.
    """

    model: str
    """The task's model, by name or label."""
    dataset: str
    """The task's dataset, by name or label."""
    recipe: str
    """The name of the task's recipe."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Parameters on this task, laid over the strategy's `params`."""
    train: Mapping[str, object] = field(default_factory=dict)
    """Values of the recipe that this strategy trains with instead of the task's own."""
    study: str | None = None
    """Id of the study that found them."""
    trial: Annotated[int, Range(0)] = 0
    """Number of the trial they are from; 0 is the suite's own settings."""
    steps: Annotated[int, Range(0)] | None = None
    """Training steps that the study took, without sharing: what finding them cost."""
    tuning_seeds: tuple[Annotated[int, Range(0, 2**31 - 1)], ...] = ()
    """Seeds that the study used: results at these say nothing of what tuning bought."""


@dataclass(frozen=True)
class Tuned:
    """What a strategy uses on one task instead of its own."""

    task: tuple[str, str, str]
    """Labels of model and dataset, name of the recipe."""
    params: Mapping[str, Any]
    train: Mapping[str, Any]
    """Laid over the task's recipe."""
    origin: Mapping[str, Any] | None
    """The study's id, the trial's number and the study's steps; None where no study is named."""
    at: Keys = field(default=(), compare=False)
    seeds: tuple[int, ...] = ()
    """The study's own seeds."""


def seen_seeds(suite: Suite) -> list[str]:
    """What must be said of each tuned label that is run at seeds that its search used."""
    said = []
    for spec in suite.strategies:
        used = {seed for tuned in spec.tuned for seed in tuned.seeds}
        seen = [seed for seed in suite.seeds if seed in used]
        if seen:
            said.append(
                f"{spec.label}: its parameters were chosen at seed{'s' * (len(seen) > 1)}"
                f" {', '.join(map(str, seen))}, so results there favour it; what tuning bought"
                " leaves them out"
            )
    return said


def tuned_of(
    tables: Sequence[TunedTable], tasks: Sequence[TaskSpec], at: Keys
) -> tuple[Tuned, ...]:
    """The tables by task. UserError for one that fits no task or several, or that comes twice."""
    found: list[Tuned] = []
    for i, table in enumerate(tables):
        here: Keys = (*at, "tuned", i)
        fitting = [
            task
            for task in tasks
            if task.model.answers_to([table.model])
            and task.dataset.answers_to([table.dataset])
            and task.recipe_name == table.recipe
        ]
        asked = f"{table.model}/{table.dataset}/{table.recipe}"
        labels = ", ".join(task.label for task in fitting or tasks)
        if len(fitting) != 1:
            many = "fits several tasks, name the model and dataset by label:" if fitting else (
                "is no task of this suite; it has"
            )  # fmt: skip
            raise UserError(f"{dotted(here)}: {show(asked)} {many} {labels}", here)
        (task,) = fitting
        key = (task.model.label, task.dataset.label, task.recipe_name)
        if any(other.task == key for other in found):
            raise UserError(f"{dotted(here)}: {task.label} is tuned twice; keep one table", here)
        origin = None
        if table.study is not None:
            origin = {"study": table.study, "trial": table.trial, "steps": table.steps}
        found.append(Tuned(key, table.params, table.train, origin, here, table.tuning_seeds))
    return tuple(found)
