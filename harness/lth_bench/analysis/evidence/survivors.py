"""Where survivors come from: kept and pruned weights in the unpruned network's training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.metric import Series, density_series
from lth_bench.analysis.evidence.subject import Place, Subject, asked, by_place, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GRID = 32
"""Bins of each axis of every recorded joint histogram."""

ORIGINS = (
    "survivors_same_sign", "pruned_same_sign", "survivors_grew", "pruned_grew", "moved_ratio",
    "initial_ratio",
)  # fmt: skip
"""Metrics of a ticket's kept and pruned weights."""


@dataclass(frozen=True, kw_only=True)
class FateCounts(Subject):
    """One layer's kept and pruned weights of one label at one density, by initial and final value
    in the dense run.
    """

    target_density: float
    """In (0, 1]."""
    layer: str
    reach: float
    """Each axis has GRID bins that divide [−reach, reach] evenly; the outermost hold what lies
    beyond."""
    kept: tuple[int, ...]
    """[GRID · GRID]: weights per bin, summed over the seeds; GRID · i + j is bin i of the initial
    and bin j of the final value."""
    pruned: tuple[int, ...]
    """The same of the pruned weights."""
    n: int
    """Number of seeds."""


def fate_counts(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 3
) -> dict[Place, list[FateCounts]]:
    """Joint histograms by task, layer (from input to output), label and density (from dense to
    sparse), without controls; densities chosen as for learning curves.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        single AS (
            SELECT
                t.cell, t.ticket_id, f.layer, f.fate, f.reach, l.position,
                unnest(f.cells) AS bin, unnest(f.counts) AS count
            FROM counted_rows() t
            JOIN fates f ON f.ticket_id = t.ticket_id
            JOIN layers l ON l.ticket_id = f.ticket_id AND l.layer = f.layer
            WHERE t.status = 'ok' AND t.control = 'none' AND f.reach > 0 AND isfinite(f.reach)
                AND len(f.cells) = len(f.counts) AND t.cell IN (SELECT cell FROM shown)
        ),
        seeds AS (
            SELECT cell, layer, count(DISTINCT ticket_id) AS n, min(position) AS position
            FROM single GROUP BY cell, layer
        ),
        summed AS (
            SELECT cell, layer, fate, reach, bin, CAST(sum(count) AS BIGINT) AS count
            FROM single WHERE bin BETWEEN 0 AND {GRID * GRID - 1}
            GROUP BY cell, layer, fate, reach, bin
        )
        SELECT
            task, strategy, label, control, source, target_density, layer, max(reach),
            list((reach, bin, count)) FILTER (fate = 'kept'),
            list((reach, bin, count)) FILTER (fate = 'pruned'), max(n)
        FROM summed
        JOIN seeds USING (cell, layer)
        JOIN shown USING (cell)
        GROUP BY task, place, strategy, label, control, source, target_density, layer, position
        ORDER BY task, position, place, target_density DESC
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, FateCounts, _merged)


def origin_series(
    con: DuckDBPyConnection, suites: Sequence[str] = ()
) -> dict[str, dict[Place, list[Series]]]:
    """Those of ORIGINS that any ticket has, against density."""
    found = con.execute("SELECT DISTINCT metric FROM metrics").fetchall()
    there = {name for (name,) in found}
    return {name: density_series(con, name, suites) for name in ORIGINS if name in there}


def _merged(**fields: Any) -> FateCounts:
    found = FateCounts(**fields)
    kept, pruned = (joined(fields[fate] or (), found.reach) for fate in ("kept", "pruned"))
    return replace(found, kept=kept, pruned=pruned)


def joined(bins: Iterable[tuple[float, int, int]], reach: float) -> tuple[int, ...]:
    """Add up bins, given as (reach, number, count), into one [GRID · GRID] over [−reach, reach].

    `reach` is at least the largest of theirs. Reaches are powers of two, so that every wider bin is
    a whole number of narrower ones.
    """
    total = [0] * (GRID * GRID)
    half = GRID // 2
    for own, number, count in bins:
        narrower = round(reach / own)
        i, j = (half + (place - half) // narrower for place in divmod(number, GRID))
        total[GRID * i + j] += count
    return tuple(total)
