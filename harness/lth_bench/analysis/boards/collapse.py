"""Tickets whose score is no pruned network's: a layer has no weights left, or no path is left."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.rows import Row, full_name
from lth_bench.analysis.boards.scope import Scope
from lth_bench.analysis.numbers import kept
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MARK = "†"
"""What stands after the accuracy of a row with such tickets."""
SHOWN = 3
"""Layers that are named, at most."""

CONDITION = "(f.empty_layers > 0 OR f.effective_density = 0)"
"""Of a row `f` of `flat` that is ok; NULL where neither is known."""

SQL = f"""
    WITH collapsed AS (
        SELECT f.* FROM flat f WHERE f.status = 'ok' AND {CONDITION} AND {{where}}
    ),
    empty AS (
        SELECT ticket_id, layer, position FROM layers
        WHERE kept = 0 AND total > 0 AND ticket_id IN (SELECT ticket_id FROM collapsed)
    )
    SELECT
        c.task, c.target_density, c.label, c.control,
        c.source_model, c.source_dataset, c.source_recipe, t.model, t.dataset, t.recipe,
        count(DISTINCT f.seed),
        count(DISTINCT f.seed) FILTER (f.effective_density = 0),
        list(DISTINCT {{{{'position': e.position, 'layer': e.layer}}}}
            ORDER BY {{{{'position': e.position, 'layer': e.layer}}}})
            FILTER (e.layer IS NOT NULL)
    FROM collapsed f
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN empty e ON e.ticket_id = f.ticket_id
    GROUP BY ALL
    ORDER BY c.task, c.target_density DESC, c.label, c.control
"""


def collapses(con: DuckDBPyConnection, scope: Scope) -> dict[tuple[str, ...], str]:
    """By (suite, model, dataset, recipe): what the mark means there.

    `† layer collapse: snip at 1% (3 seeds: no weight is left in fc2; no path from input to output
    in 2)`
    """
    said: dict[tuple[str, ...], list[str]] = defaultdict(list)
    found = con.execute(SQL.format(where=scope.where("f")), scope.parameters).fetchall()
    columns = ("label", "control", "source_model", "source_dataset", "source_recipe")
    for task, density, *names, seeds, dead, layers in found:
        who = full_name(dict(zip((*columns, "model", "dataset", "recipe"), names, strict=True)))
        what = [f"no weight is left in {_listed(layers)}"] if layers else []
        if dead:
            every = "" if dead == seeds else f" in {dead}"
            what.append(f"no path from input to output{every}")
        counted = f"{seeds} seed{'' if seeds == 1 else 's'}"
        said[scope.tasks[task]].append(f"{who} at {kept(density)}% ({counted}: {'; '.join(what)})")
    return {t: printable(f"{MARK} layer collapse: {', '.join(w)}") for t, w in said.items()}


def marked(text: str, row: Row) -> str:
    """The text, with the mark where some of the row's tickets have collapsed."""
    return f"{text} {MARK}" if row.get("collapsed") else text


def _listed(layers: list[dict[str, str]]) -> str:
    names = [layer["layer"] for layer in layers]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
