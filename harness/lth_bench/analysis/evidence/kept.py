"""Which fraction of each layer's weights a ticket keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import WHO, Subject, asked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class LayersKept(Subject):
    """One label at one density; the tuples are as long, from input to output."""

    target_density: float
    layers: tuple[str, ...]
    total: tuple[int, ...]
    """Weights of the layer."""
    kept: tuple[float, ...]
    """Fraction kept, mean over the seeds."""
    n: int


def layers_kept(
    con: DuckDBPyConnection, suites: Sequence[str] = ()
) -> dict[Place, list[LayersKept]]:
    """By label, from dense to sparse; without dense, which keeps all, and without controls."""
    rows = con.execute(
        f"""
        {WHO},
        grouped AS (
            SELECT
                f.cell, l.layer, any_value(l.total) AS total, avg(l.kept / l.total) AS kept,
                min(l.position) AS position, count(*) AS n
            FROM flat f JOIN layers l ON l.ticket_id = f.ticket_id
            WHERE f.status = 'ok' AND f.control = 'none' AND f.strategy <> 'dense' AND l.total > 0
            GROUP BY f.cell, l.layer
        )
        SELECT
            w.task, strategy, label, control, source, target_density,
            list(layer ORDER BY position), list(total ORDER BY position),
            list(kept ORDER BY position), max(n)
        FROM grouped g JOIN who w ON w.cell = g.cell
        GROUP BY w.task, place, strategy, label, control, source, target_density
        ORDER BY w.task, place, target_density DESC
        """,
        asked(suites),
    ).fetchall()
    return by_place(con, rows, LayersKept)
