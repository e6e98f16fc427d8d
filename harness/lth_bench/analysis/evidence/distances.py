"""Early-Bird's picture: how far the masks of a search are from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.choice import shown, spread
from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import Subject, asked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class DistanceMatrix(Subject):
    """One search."""

    target_density: float
    seed: int
    steps: tuple[int, ...]
    """The n moments at which the masks were made."""
    values: tuple[tuple[float, ...], ...]
    """[n][n]: fraction of differing bits, in [0, 1]."""
    threshold: float | None
    """Distance at which masks count as settled, where the suite sets it."""


def distance_matrices(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 4, moments: int = 64
) -> dict[Place, list[DistanceMatrix]]:
    """By label, from dense to sparse: of the lowest seed that has one.

    At most `densities` densities as for learning curves, and at most `moments` steps, evenly
    spread, first and last included.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        lowest AS (
            SELECT f.cell, f.seed, m.steps, m."values", f.params ->> '$.threshold' AS threshold
            FROM flat f JOIN matrices m ON m.ticket_id = f.ticket_id
            WHERE f.status = 'ok' AND f.control = 'none'
                AND m.name = 'mask_distance' AND len(m.steps) > 0
                AND len(m."values") = len(m.steps) ** 2 AND f.cell IN (SELECT cell FROM shown)
            QUALIFY row_number() OVER (PARTITION BY f.cell ORDER BY f.seed) = 1
        )
        SELECT
            task, strategy, label, control, source, target_density,
            seed, steps, "values", TRY_CAST(threshold AS DOUBLE)
        FROM lowest l JOIN shown s ON s.cell = l.cell
        ORDER BY task, place, target_density DESC
        """,
        asked(suites),
    ).fetchall()

    def thinned(*fields: Any) -> DistanceMatrix:
        *_, steps, values, _ = fields
        n = len(steps)
        kept = spread(range(n), moments)
        matrix = tuple(tuple(values[i * n + j] for j in kept) for i in kept)
        found = DistanceMatrix(*fields)
        return replace(found, steps=tuple(steps[i] for i in kept), values=matrix)

    return by_place(con, rows, thinned)
