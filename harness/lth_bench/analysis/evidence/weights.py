"""Distributions of the surviving weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.choice import is_spread, shown
from lth_bench.analysis.evidence.places import Place, by_place
from lth_bench.analysis.evidence.subject import Subject, asked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


BINS = 64
"""Bins of every recorded histogram."""


@dataclass(frozen=True)
class WeightHistogram(Subject):
    """One layer of one label at one density: both histograms in the same 64 bins."""

    target_density: float
    layer: str
    reach: float
    """The bins divide [−reach, reach] evenly."""
    start: tuple[int, ...]
    """Survivors by bin as their training began, summed over the seeds."""
    end: tuple[int, ...]
    """After it."""
    n: int
    """Seeds."""


def weight_histograms(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 3, layers: int = 6
) -> dict[Place, list[WeightHistogram]]:
    """By label, from dense to sparse, from input to output; without controls.

    At most `densities` densities as for learning curves, dense besides, and at most `layers`
    layers, evenly spread from the first to the last.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        tickets AS (
            SELECT cell, ticket_id FROM flat
            WHERE status = 'ok' AND control = 'none' AND cell IN (SELECT cell FROM shown)
        ),
        positions AS (
            SELECT s.task, l.layer, min(l.position) AS position
            FROM layers l JOIN tickets t ON t.ticket_id = l.ticket_id JOIN shown s USING (cell)
            GROUP BY s.task, l.layer
        ),
        numbered AS (
            SELECT
                *, row_number() OVER (PARTITION BY task ORDER BY position, layer) - 1 AS i,
                count(*) OVER (PARTITION BY task) AS m
            FROM positions
        ),
        few AS (SELECT * FROM numbered WHERE {is_spread(layers)}),
        summed AS (
            SELECT t.cell, w.layer, w.moment, w.reach, {_SUMS} AS counts, count(*) AS n
            FROM weights w JOIN tickets t ON t.ticket_id = w.ticket_id
            WHERE w.layer IN (SELECT layer FROM few)
            GROUP BY t.cell, w.layer, w.moment, w.reach
        )
        SELECT
            task, strategy, label, control, source, target_density, layer, max(reach),
            list((reach, counts)) FILTER (moment = 'start'),
            list((reach, counts)) FILTER (moment = 'end'),
            CAST(sum(n) FILTER (moment = 'end') AS BIGINT)
        FROM summed
        JOIN shown USING (cell)
        JOIN few USING (task, layer)
        GROUP BY task, place, strategy, label, control, source, target_density, layer
        HAVING count(*) FILTER (moment = 'start') > 0 AND count(*) FILTER (moment = 'end') > 0
        ORDER BY task, place, target_density DESC, any_value(position)
        """,
        asked(suites),
    ).fetchall()
    return by_place(con, rows, _merged)


_SUMS = "[" + ", ".join(f"CAST(sum(counts[{i}]) AS BIGINT)" for i in range(1, BINS + 1)) + "]"
"""Bin by bin; unnesting the lists instead takes five times as long (140,000 lists)."""


def _merged(*fields: Any) -> WeightHistogram:
    found = WeightHistogram(*fields)
    start, end = (merged(histograms, found.reach) for histograms in (fields[7], fields[8]))
    return replace(found, start=start, end=end)


def merged(histograms: Iterable[tuple[float, Sequence[int]]], reach: float) -> tuple[int, ...]:
    """Histograms (reach, counts) as one over [−reach, reach], which none of them exceeds.

    Reaches are powers of two, so that every wider bin is a whole number of narrower ones.
    """
    total = [0] * BINS
    for own, counts in histograms:
        narrower = round(reach / own)
        for i, count in enumerate(counts):
            total[BINS // 2 + (i - BINS // 2) // narrower] += count
    return tuple(total)
