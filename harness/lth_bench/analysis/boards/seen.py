"""Tuned labels that are ranked by seeds which their own search chose by."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.scope import Scope
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = """
    WITH used AS (SELECT study_id, any_value(seeds) AS seeds FROM trials GROUP BY study_id)
    SELECT DISTINCT p.suite, p.model, p.dataset, p.recipe, p.label, p.seed
    FROM slots s
    JOIN plans p ON p.suite = s.suite AND p.experiment_id = s.experiment_id
    JOIN used u ON u.study_id = p.tuned_from
    WHERE list_contains(u.seeds, p.seed)
    ORDER BY ALL
"""


def seen(con: DuckDBPyConnection, scope: Scope) -> dict[tuple[str, ...], str]:
    """By (suite, model, dataset, recipe): which labels have rows at seeds of their own tuning."""
    labels: dict[tuple[str, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    tasks = set(scope.tasks.values())
    for *task, label, seed in con.execute(SQL).fetchall():
        if tuple(task) in tasks:
            labels[tuple(task)][label].append(seed)
    return {
        task: printable(
            "chosen by tuning at seeds that count here, which favours them: "
            + "; ".join(f"{label} (seeds {', '.join(map(str, s))})" for label, s in found.items())
        )
        for task, found in labels.items()
    }
