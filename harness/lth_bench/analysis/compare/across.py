"""B against A over all tasks: one difference a task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lth_bench.analysis.compare.lines import Comparison
from lth_bench.analysis.measures import Measure
from lth_bench.stats import TasksVerdict, judge_tasks

FEWEST = 2
"""Tasks from which there is a line across them."""


def across(
    comparisons: Sequence[Sequence[Comparison]], measure: Measure
) -> dict[str, TasksVerdict]:
    """By name of the group: signed-rank tests over the tasks' mean differences, corrected by Holm
    for the number of names. A group is told by its last line, which is over all its densities.
    """
    differences: dict[str, dict[tuple[str, ...], float]] = {}
    for lines in comparisons:
        if not lines:
            continue
        told = lines[-1]
        group = told.group
        task = (group.suite, group.model, group.dataset, group.recipe)
        difference = _difference(told, measure)
        if difference is not None:
            differences.setdefault(group.name, {})[task] = difference
    several: Mapping[str, Mapping[tuple[str, ...], float]] = {
        name: found for name, found in differences.items() if len(found) >= FEWEST
    }
    return judge_tasks(several, higher=measure.higher) if several else {}


def _difference(line: Comparison, measure: Measure) -> float | None:
    """The mean difference; infinite where one side lost a seed that the other has."""
    worst = -math.inf if measure.higher else math.inf
    if line.lost_b - line.lost_a:
        return worst
    if line.lost_a - line.lost_b:
        return -worst
    return None if line.interval is None else line.interval.mean
