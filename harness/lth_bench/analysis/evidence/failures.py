"""What did not end ok, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import WHO, Subject, asked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Failure(Subject):
    """Rows of the view `failures` that share label, control, status and reason."""

    status: str
    """failed, diverged, oom, timeout, skipped or interrupted."""
    reason: str
    """Empty where none was recorded."""
    rows: int
    seeds: tuple[int, ...]
    densities: tuple[float, ...]
    """From dense to sparse."""
    experiment_id: str
    """One of them, for `lth-bench show`."""


def failures(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> dict[Place, list[Failure]]:
    """Failures before what could not be reached, most rows first. Planned rows are no failures."""
    rows = con.execute(
        f"""
        {WHO},
        failed AS (
            SELECT
                cell, status, coalesce(reason, '') AS reason, seed, experiment_id, target_density
            FROM flat WHERE status NOT IN ('ok', 'planned')
        )
        SELECT
            task, strategy, label, control, source, status, reason, CAST(count(*) AS BIGINT),
            list(DISTINCT seed ORDER BY seed),
            list(DISTINCT f.target_density ORDER BY f.target_density DESC),
            arg_min(experiment_id, (seed, -f.target_density))
        FROM failed f JOIN who w ON w.cell = f.cell
        GROUP BY task, place, strategy, label, control, source, status, reason
        ORDER BY task, status = 'skipped', count(*) DESC, place, status, reason
        """,
        asked(suites),
    ).fetchall()
    return by_place(con, rows, Failure)
