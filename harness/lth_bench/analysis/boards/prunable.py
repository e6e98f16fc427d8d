"""Tasks much of whose network is not prunable, so that a density says little of its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.analysis.boards.scope import Scope
from lth_bench.analysis.shares import ENOUGH, prunable_share

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = """
    WITH newest AS (
        SELECT
            suite, model, dataset, recipe,
            arg_max({'prunable': prunable, 'parameters': parameters}, journal_order) AS size
        FROM plans
        WHERE scored_on = 'test' AND prunable IS NOT NULL
        GROUP BY ALL
    )
    SELECT t.task, n.size.prunable, n.size.parameters
    FROM newest n JOIN tasks t USING (suite, model, dataset, recipe)
    WHERE t.task IN (SELECT unnest($tasks)) AND n.size.prunable < $enough * n.size.parameters
"""


def shares(con: DuckDBPyConnection, scope: Scope) -> dict[tuple[str, ...], str]:
    """By (suite, model, dataset, recipe): `320 of 5,706 parameters (5.6%) are prunable, …`."""
    found = con.execute(SQL, {"tasks": list(scope.tasks), "enough": ENOUGH}).fetchall()
    return {scope.tasks[task]: prunable_share(*sizes) for task, *sizes in found}
