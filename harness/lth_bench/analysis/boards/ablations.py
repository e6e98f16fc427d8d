"""Controls that are not what their name promises: skipped, or ablated in part."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.rows import full_name
from lth_bench.analysis.boards.scope import Scope
from lth_bench.analysis.numbers import kept
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# a control whose ticket was skipped shares its reason, which is said elsewhere
SQL = """
    SELECT
        c.task, c.label, c.control, c.source_model, c.source_dataset, c.source_recipe,
        t.model, t.dataset, t.recipe,
        f.status, f.reason, list(DISTINCT f.target_density ORDER BY f.target_density DESC)
    FROM flat f
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    WHERE f.control <> 'none' AND f.reason IS NOT NULL AND f.status IN ('ok', 'skipped')
        AND {where}
        AND NOT EXISTS (
            SELECT 1 FROM flat o
            WHERE o.suite = f.suite AND o.experiment_id = f.experiment_id AND o.control = 'none'
                AND o.target_density = f.target_density AND o.status = 'skipped'
        )
    GROUP BY ALL
    ORDER BY c.task, c.label, c.control, f.status, f.reason
"""


def ablations(con: DuckDBPyConnection, scope: Scope) -> dict[tuple[str, ...], str]:
    """By (suite, model, dataset, recipe): which controls there are not, or only in part, and why.

    `imp/reinit at 50%, 20%: skipped: the redrawn initial values equal the initial ones …`
    """
    said: dict[tuple[str, ...], list[str]] = defaultdict(list)
    found = con.execute(SQL.format(where=scope.where("f")), scope.parameters).fetchall()
    for task, *names, status, reason, densities in found:
        columns = ("label", "control", "source_model", "source_dataset", "source_recipe")
        who = full_name(dict(zip((*columns, "model", "dataset", "recipe"), names, strict=True)))
        where = ", ".join(f"{kept(density)}%" for density in densities)
        what = "skipped: " if status == "skipped" else ""
        said[scope.tasks[task]].append(f"{who} at {where}: {what}{reason}")
    return {task: printable("; ".join(words)) for task, words in said.items()}
