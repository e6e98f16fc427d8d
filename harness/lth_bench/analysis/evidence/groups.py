"""Tasks of a suite that figures show beside each other: same data, other network or recipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from lth_bench.analysis.boards.transfer import short_names
from lth_bench.analysis.evidence.gather import TaskEvidence

LEAST_SIZES = 3
"""Networks that a sweep has, at least: two are compared, not swept."""

MOST = 6
"""Tasks that have space beside each other."""


@dataclass(frozen=True, kw_only=True)
class TaskGroup:
    """Two tasks or more."""

    tasks: Sequence[TaskEvidence]
    names: Sequence[str]
    """Of each task, by the parts in which they differ."""
    swept: str = ""
    """The parameter whose number is all in which the tasks differ, such as `hidden (mlp)`; ""
    where they differ in more, or in something else."""
    sizes: Sequence[float] = ()
    """That number in each task, ascending."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What names it: the suite, and what is the same for all of its tasks."""
        places = [one.place.parts for one in self.tasks]
        shared = [same[0] for same in zip(*places, strict=True) if len(set(same)) == 1]
        return (*shared, self.swept) if self.swept else tuple(shared)

    @property
    def title(self) -> str:
        """SUITE: what the tasks share."""
        suite, *shared = self.parts
        return ": ".join(filter(None, (suite, ", ".join(shared))))


def task_groups(found: Iterable[TaskEvidence]) -> list[TaskGroup]:
    """By suite and dataset: sweeps over a number of one network, and what else is of one network,
    such as several recipes.
    """
    groups = []
    ordered = sorted(found, key=_family)
    for _, family in groupby(ordered, key=_family):
        rest = []
        by_recipe: dict[str, list[TaskEvidence]] = {}
        for one in family:  # in the suite's order
            by_recipe.setdefault(one.place.task.recipe, []).append(one)
        for own in by_recipe.values():
            sweep = _sweep(own)
            if sweep is None:
                rest += own
            else:
                groups.append(sweep)
        if 2 <= len(rest) <= MOST:
            short = short_names([one.place.task for one in rest])
            names = [short[one.place.task] for one in rest]
            groups.append(TaskGroup(tasks=rest, names=names))
    return groups


def _family(one: TaskEvidence) -> tuple[str, str, str]:
    """Suite, dataset, and the network's name without its parameters."""
    task = one.place.task
    return one.place.suite, task.dataset, task.model.partition("(")[0]


def _sweep(tasks: Sequence[TaskEvidence]) -> TaskGroup | None:
    """The tasks in the order of the number in which their networks differ; None without one."""
    given = [parameters(one.place.task.model) for one in tasks]
    names = {name for own in given for name in own}
    differ = [name for name in names if len({own.get(name) for own in given}) > 1]
    if len(tasks) < LEAST_SIZES or len(differ) != 1:
        return None
    (name,) = differ
    values = [_number(own.get(name, "")) for own in given]
    sizes = sorted(value for value in values if value is not None)
    if len(sizes) < len(tasks):
        return None
    order = sorted(range(len(tasks)), key=lambda i: values[i] or 0.0)
    model = tasks[0].place.task.model.partition("(")[0]
    return TaskGroup(
        tasks=[tasks[i] for i in order],
        names=[f"{size:g}" for size in sizes],
        swept=f"{name} ({model})",
        sizes=sizes,
    )


def parameters(label: str) -> dict[str, str]:
    """Of `mlp(dropout=0.1,hidden=[30,10])` the values by name, as they are written."""
    inside = label.partition("(")[2].removesuffix(")")
    pieces = re.findall(r"(\w+)=((?:\[[^\]]*\]|\{[^}]*\}|[^,])*)", inside)
    return dict(pieces)


def _number(text: str) -> float | None:
    """Of `4` and `[4]` 4.0; None of several numbers, of 0 and below, and of anything else."""
    try:
        value = float(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return value if value > 0 else None
