"""Are a task's rows alike: trained with one recipe, on one network and one dataset?

A task is known by its names. After `--set recipes.NAME.lr=…` for some of the labels only, the rows
of the others, as planned before, still stand under the same name.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.scope import Scope
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PARTS = ("recipe", "model", "dataset")

# one experiment stands for all of a label: of each only the newest configuration counts
SQL = """
    WITH one AS (
        SELECT c.task, c.label, any_value(s.suite) AS suite, any_value(s.experiment_id) AS id
        FROM (
            SELECT cell, any_value(suite) AS suite, any_value(experiment_id) AS experiment_id
            FROM slots WHERE task IN (SELECT unnest($tasks)) GROUP BY cell
        ) s
        JOIN cells c ON c.cell = s.cell
        GROUP BY c.task, c.label
    )
    SELECT
        o.task, o.label, p.tuned_from IS NOT NULL,
        p.config -> 'recipe', p.config -> 'model', p.config -> 'dataset'
    FROM one o JOIN plans p ON p.suite = o.suite AND p.experiment_id = o.id
    ORDER BY o.task, o.label
"""


def unlike(con: DuckDBPyConnection, scope: Scope) -> dict[tuple[str, ...], str]:
    """By (suite, model, dataset, recipe): what the labels were not trained alike in."""
    labels: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    tuned: dict[int, set[str]] = defaultdict(set)
    for task, label, by_tuning, *parts in con.execute(SQL, {"tasks": list(scope.tasks)}).fetchall():
        labels[task][json.dumps([json.loads(part or "null") for part in parts])].append(label)
        if by_tuning:
            tuned[task].add(label)
    found: dict[tuple[str, ...], str] = {}
    for task, groups in labels.items():
        if len(groups) > 1:
            told = "; ".join(_told(key, groups) for key in groups)
            found[scope.tasks[task]] = printable(
                f"not like for like: {told}. {_advice(groups.values(), tuned[task])}"
            )
    return found


def _advice(groups: Iterable[Collection[str]], tuned: Collection[str]) -> str:
    """What to do; nothing, where tuning has found recipes of their own for some labels."""
    if sum(not {*group} <= {*tuned} for group in groups) <= 1:
        return "Tuning has found these recipes; the dense run has the suite's"
    return "Run the suite again for all of them, or under another suite name"


def _told(key: str, groups: Mapping[str, list[str]]) -> str:
    """`lr 0.003: dense, imp`."""
    others = [json.loads(other) for other in groups]
    settings: list[str] = []
    for index, part in enumerate(json.loads(key)):
        variants = [_flat(other[index]) for other in others]
        own = _flat(part)
        for name in sorted({name for variant in variants for name in variant}):
            if len({json.dumps(variant.get(name)) for variant in variants}) > 1:
                value = own.get(name, "default")
                short = f"{value:.6g}" if isinstance(value, float) else value
                settings.append(f"{name} {short}")
    return f"{', '.join(settings)}: {', '.join(groups[key])}"


def _flat(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {"": part}
