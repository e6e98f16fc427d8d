"""A suite in plain values: what `validate` and `ls suites` print."""

from __future__ import annotations

from typing import Any

from lth_bench.suite.spec import StrategySpec, Suite, TaskSpec


def summary(suite: Suite) -> dict[str, Any]:
    """JSON-able: tasks, strategies, seeds, controls, and how many tickets.

    The tickets include the dense run of every task, which no suite needs to list. How many
    experiments they take, only `plan` can say: it knows which strategies are iterative.
    """
    pairs = suite.pairs()
    dense = {task.label for strategy, task in pairs if strategy.use == "dense"}
    added = sum(task.label not in dense for task in suite.tasks)
    tickets = added + sum(_tickets(strategy, task) for strategy, task in pairs)
    return {
        "suite": suite.name,
        "version": suite.version,
        "description": suite.description,
        "path": str(suite.path),
        "baseline": suite.baseline,
        "seeds": list(suite.seeds),
        "tasks": [
            {
                "model": task.model.label,
                "dataset": task.dataset.label,
                "recipe": task.recipe_name,
                "densities": list(task.densities),
            }
            for task in suite.tasks
        ],
        "strategies": [
            {
                "label": strategy.label,
                "use": strategy.use,
                "controls": list(strategy.controls),
                "tasks": sum(strategy.applies_to(task) for task in suite.tasks),
            }
            for strategy in suite.strategies
        ],
        "claims": [{"name": claim.name, "text": claim.text} for claim in suite.claims],
        "plugins": list(suite.plugins),
        "tickets": tickets * len(suite.seeds),
    }


def _tickets(strategy: StrategySpec, task: TaskSpec) -> int:
    """Rows at one seed: the dense run reports at density 1 only and has no controls."""
    if strategy.use == "dense":
        return 1
    return len(task.densities) * (1 + len(strategy.controls))
