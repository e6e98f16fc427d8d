"""What tuning found, in a suite: [[strategies.tuned]]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from lth_bench.errors import UserError
from lth_bench.params import Range, dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.spec import Seed, Suite, TaskSpec, Tuned


@dataclass(frozen=True, kw_only=True)
class TunedTable:
    """One of [[strategies.tuned]]: a strategy's parameters on one task.

    A strategy with such tables runs only on the tasks that they name.
    """

    model: str
    """The task's model, by name or label."""
    dataset: str
    """The task's dataset, by name or label."""
    recipe: str
    """The name of the task's recipe."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Parameters on this task, which replace those of the strategy's `params`."""
    train: Mapping[str, object] = field(default_factory=dict)
    """Values of the recipe that this strategy uses instead of the task's own."""
    study: str | None = None
    """Id of the study that found them."""
    trial: Annotated[int, Range(0)] = 0
    """Number of the trial that had them; 0 is the suite's own settings."""
    steps: Annotated[int, Range(0)] | None = None
    """The cost of finding them: training steps of the study, counted without sharing."""
    tuning_seeds: tuple[Seed, ...] = ()
    """Seeds of the study: results at these do not count as a gain from tuning."""


def seed_overlap_notes(suite: Suite) -> list[str]:
    """A note on each tuned label that is run at seeds of its own search."""
    said = []
    for spec in suite.strategies:
        used = {seed for tuned in spec.tuned for seed in tuned.seeds}
        seen = [seed for seed in suite.seeds if seed in used]
        if seen:
            said.append(
                f"{spec.label} was tuned at seed{'s' * (len(seen) > 1)}"
                f" {', '.join(map(str, seen))}, so results there favour it; the gain from tuning"
                " leaves them out"
            )
    return said


def tuned_of(
    tables: Sequence[TunedTable], tasks: Sequence[TaskSpec], at: Keys
) -> tuple[Tuned, ...]:
    """The tables by task. UserError unless each table is of one task, and of another one."""
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
            many = "fits several tasks; give the model and dataset by label:" if fitting else (
                "is not a task of this suite; it has"
            )  # fmt: skip
            raise UserError(f"{dotted(here)}: {show(asked)} {many} {labels}", here)
        (task,) = fitting
        key = (task.model.label, task.dataset.label, task.recipe_name)
        if any(other.task == key for other in found):
            raise UserError(f"{dotted(here)}: {task.label} is tuned twice; keep one table", here)
        origin = None
        if table.study is not None:
            origin = {"study": table.study, "trial": table.trial, "steps": table.steps}
        found.append(
            Tuned(
                task=key,
                params=table.params,
                train=table.train,
                origin=origin,
                at=here,
                seeds=table.tuning_seeds,
            )
        )
    return tuple(found)
