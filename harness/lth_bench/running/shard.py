"""A part of a plan, for batch schedulers: each job of an array runs one, apart from the others.

A part has whole groups, a task at a seed each, whose experiments share a dense run. Every job makes
the same division by itself, since it depends on the plan alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.running.arguments import Shard
from lth_bench.running.executors.schedule import task_of

if TYPE_CHECKING:
    from lth_bench.running.plan import Plan, Planned


def shard_of(plan: Plan, shard: Shard | None) -> Plan:
    """The part of a plan; the whole where there is no shard. UserError where parts would be empty.

    The longest group goes to the part with the least so far, and so on down: no part takes more
    than 4/3 of what the best division could.
    """
    if shard is None:
        return plan
    groups: dict[tuple[str, int], list[Planned]] = {}
    for item in plan.experiments:
        groups.setdefault((task_of(item.experiment), item.experiment.seed), []).append(item)
    if shard.count > len(groups):
        of = "1 part" if len(groups) == 1 else f"{len(groups)} parts"
        raise UserError(
            f"--shard {shard}: this run has {of} at most, a task at a seed each; use as many jobs, "
            f"or fewer"
        )
    lengths = {key: _steps(plan, items) for key, items in groups.items()}
    taken = [0] * shard.count
    mine: set[tuple[str, int]] = set()
    for key in sorted(groups, key=lambda key: (-lengths[key], key)):
        least = min(range(shard.count), key=lambda i: taken[i])
        # a group without steps, whose task cannot run, takes its place too
        taken[least] += max(1, lengths[key])
        if least == shard.number - 1:
            mine.add(key)
    return part_of(
        plan, [p for p in plan.experiments if (task_of(p.experiment), p.experiment.seed) in mine]
    )


def part_of(plan: Plan, own: Sequence[Planned]) -> Plan:
    """The plan of these experiments, with the dense runs that they need."""
    trained = {(*p.experiment.task, p.experiment.seed) for p in own}
    for e in (p.experiment for p in own):
        if (source := e.source_task) is not None:
            trained.add((source.model_label, source.dataset_label, source.recipe_name, e.seed))
    dense = {key: steps for key, steps in plan.dense_runs.items() if key in trained}
    return replace(plan, experiments=tuple(own), dense_runs=dense)


def _steps(plan: Plan, items: list[Planned]) -> int:
    """Of a group, its dense run included."""
    first = items[0].experiment
    return sum(p.steps for p in items) + plan.dense_runs.get((*first.task, first.seed), 0)
