"""Results that are not there, in words below a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.rows import ON, BoardRow, full_name
from lth_bench.analysis.numbers import kept

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.analysis.boards.scope import BoardScope

Sentences = dict[tuple[str, ...], list[str]]
"""By suite, model, dataset and recipe."""

SQL = """
    SELECT
        e.entry, f.target_density,
        count(*) FILTER (is_lost(f.status)) AS lost,
        count(*) FILTER (f.status = 'skipped') AS skipped,
        count(*) FILTER (is_owed(f.status)) AS owed
    FROM counted_rows() f
    JOIN cells c ON c.cell = f.cell
    JOIN cells r ON (r.task, r.label, r.control) = (c.task, c.label, c.control)
        AND (r.source_model, r.source_dataset, r.source_recipe)
            = (c.source_model, c.source_dataset, c.source_recipe)
    JOIN (SELECT unnest($entries) AS entry) e ON e.entry = r.cell
    GROUP BY ALL ORDER BY e.entry, f.target_density DESC
"""


def gaps(con: DuckDBPyConnection, rows: Iterable[BoardRow], worst: str) -> Sentences:
    """What the policy on failures makes of each label that lacks results at some density.

    `rows` have their `key`, the `densities` that are looked at and the seeds `lost`, `skipped` and
    `pending`. `worst` says what stands for a ticket that was lost.
    """
    lacking = [r for r in rows if r["lost"] or r["skipped"] or r["pending"]]
    found: Sentences = {}
    if not lacking:
        return found
    there: dict[int, dict[float, tuple[int, int, int]]] = {}
    for entry, density, *counts in con.execute(
        SQL, {"entries": [r["key"] for r in lacking]}
    ).fetchall():
        there.setdefault(entry, {})[density] = (counts[0], counts[1], counts[2])
    for row in lacking:
        asked = [d for d in row["densities"] if (d == 1) == (row["strategy"] == "dense")]
        by_density = there[row["key"]]
        unplanned = [d for d in asked if d not in by_density]
        which = [[d for d in asked if d in by_density and by_density[d][i]] for i in range(3)]
        said = found.setdefault(tuple(row[key] for key in ON), [])
        label = full_name(row)
        if unplanned:
            said.append(f"{label} was not run at {_list(unplanned)}, so it has no rank")
            continue
        if which[0]:
            said.append(
                f"{label} failed at {_seeds(row['lost'])} at {_list(which[0])}: {worst} there"
            )
        if which[1] and row["control"] != "none":
            said.append(f"{label} was skipped at {_list(which[1])}: left out")
        elif which[1]:
            said.append(f"{label} cannot reach {_list(which[1])}: {worst} there")
        if which[2]:
            said.append(
                f"{label} has still to come at {_list(which[2])}: {_seeds(row['pending'])} left out"
            )
    return found


def _list(densities: Sequence[float]) -> str:
    return ", ".join(f"{kept(d)}%" for d in densities)


def _seeds(number: int) -> str:
    return f"{number} seed" if number == 1 else f"{number} seeds"


def outstanding(
    rows: Sequence[BoardRow], scope: BoardScope | None = None, what: str = "rows"
) -> list[str]:
    """What is said below a table of results that are not there; `what` is counted, and the command
    for their reasons reads the results of `scope`.
    """
    totals = {key: sum(r[key] for r in rows) for key in ("failed", "skipped", "pending")}
    notes = []
    option = "" if scope is None else scope.results_option
    if totals["failed"] or totals["skipped"]:
        notes.append(
            f"{totals['failed']} of {sum(r['planned'] for r in rows)} {what} failed and "
            f'{totals["skipped"]} were skipped; why: lth-bench query{option} "FROM failures"'
        )
    if totals["pending"]:
        notes.append(
            f"{totals['pending']} {what} are still to come; run the suite again to go on, with "
            f"--retry oom,timeout where memory or time was short"
        )
    return notes
