"""What a plan says of its tasks, for the person who runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lth_bench.analysis.boards.notes import fixed_by, prunable_share
from lth_bench.running.task_plan import TaskPlan


def shares(tasks: Sequence[TaskPlan]) -> tuple[str, ...]:
    """What is said of networks much of which is not prunable, or where it is declared; each
    once.
    """
    said: dict[str, None] = {}
    for task in tasks:
        prunable = sum(task.layer_counts.values())
        told = prunable_share(prunable, task.parameters, task.rest, declared=task.declared)
        if told:
            said[f"{task.model_label}: {told}"] = None
    return tuple(said)


def starts(tasks: Sequence[TaskPlan]) -> tuple[str, ...]:
    """What is said of networks whose initial values are fixed; each once."""
    recorded = ((task.model_label, recorded_start(task)) for task in tasks)
    return tuple(dict.fromkeys(f"{label}: {fixed_by(s)}" for label, s in recorded if s is not None))


def recorded_start(task: TaskPlan) -> dict[str, Any] | None:
    """What the results say of a task's start."""
    start, named = task.start, task.spec.model.start
    if start is None or named is None:
        return None
    return {
        "source": named.name,
        **start.identity,
        "fixed": start.fixed,
        "parameters": task.parameters,
    }
