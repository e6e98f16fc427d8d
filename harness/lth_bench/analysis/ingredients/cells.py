"""What the database says of cells beside their values: which are ablations, and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lth_bench.suite.ablations import label_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CellPath = tuple[str, str, str, float]
"""A cell: suite, task, name (LABEL or LABEL/CONTROL), target density."""

KEY = """
    t.suite, concat_ws('/', t.model, t.dataset, t.recipe),
    CASE c.control WHEN 'none' THEN c.label ELSE c.label || '/' || c.control END, c.target_density
"""
CELLS = """
    FROM flat f JOIN cells c ON c.cell = f.cell JOIN tasks t ON t.task = c.task
    WHERE (c.source_model, c.source_dataset, c.source_recipe) = (t.model, t.dataset, t.recipe)
"""
"""Those whose tickets were found on their own task."""


def ablations(con: DuckDBPyConnection) -> dict[tuple[str, str], tuple[str, str]]:
    """By (suite, label): the label that it is an ablation of, and the ablation."""
    rows = con.execute(
        "SELECT DISTINCT suite, label, config -> 'ablation' ->> 'name' FROM plans "
        "WHERE (config -> 'ablation' ->> 'name') IS NOT NULL ORDER BY ALL"
    ).fetchall()
    return {
        (suite, label): (label.removesuffix(label_of("", name)), name)
        for suite, label, name in rows
    }


def reasons(con: DuckDBPyConnection) -> dict[CellPath, str]:
    """Of the cells with rows that were skipped, or that say what was ablated: the first reason."""
    rows = con.execute(
        f"SELECT {KEY}, arg_min(f.reason, f.seed) {CELLS} "
        "AND f.reason IS NOT NULL AND f.status IN ('ok', 'skipped') GROUP BY ALL"
    ).fetchall()
    return {(suite, task, name, density): why for suite, task, name, density, why in rows}


def collapsed(con: DuckDBPyConnection) -> set[CellPath]:
    """The cells in which a layer, or every path, of some ticket is gone."""
    rows = con.execute(
        f"SELECT DISTINCT {KEY} {CELLS} "
        "AND f.status = 'ok' AND is_collapsed(f.empty_layers, f.effective_density)"
    ).fetchall()
    return set(rows)
