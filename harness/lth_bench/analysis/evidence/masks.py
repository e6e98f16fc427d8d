"""Masks: fractions kept per layer, histograms of surviving weights, distances between masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.subject import (
    WHO,
    Place,
    Subject,
    asked,
    by_place,
    is_spread,
    shown,
    spread,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class LayersKept(Subject):
    """One label at one density; all tuples have one entry per layer, from input to output."""

    target_density: float
    """In (0, 1]."""
    layers: tuple[str, ...]
    total: tuple[int, ...]
    """Number of weights in each layer."""
    kept: tuple[float, ...]
    """Fraction kept of each layer, in [0, 1], mean over the seeds."""
    n: int
    """Number of seeds."""


def layers_kept(
    con: DuckDBPyConnection, suites: Sequence[str] = ()
) -> dict[Place, list[LayersKept]]:
    """Fractions kept by task, label and density, from dense to sparse. The dense run, which keeps
    all weights, and controls are left out.
    """
    rows = con.execute(
        f"""
        {WHO},
        grouped AS (
            SELECT
                f.cell, l.layer, any_value(l.total) AS total, avg(l.kept / l.total) AS kept,
                min(l.position) AS position, count(*) AS n
            FROM counted_rows() f JOIN layers l ON l.ticket_id = f.ticket_id
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
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, LayersKept)


BINS = 64
"""Number of bins of every recorded histogram."""


@dataclass(frozen=True, kw_only=True)
class LayerWeights(Subject):
    """Surviving weights of one layer of one label at one density, as two histograms with the same
    bins.
    """

    target_density: float
    """In (0, 1]."""
    layer: str
    reach: float
    """The bins divide [−reach, reach] evenly."""
    start: tuple[int, ...]
    """[BINS]: weights per bin before training, summed over the seeds."""
    end: tuple[int, ...]
    """[BINS]: weights per bin after training."""
    n: int
    """Number of seeds."""


def weight_histograms(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 3, layers: int = 6
) -> dict[Place, list[LayerWeights]]:
    """Histograms by task, label, density (from dense to sparse) and layer (from input to output),
    without controls.

    For each task, the dense run and at most `densities` densities, chosen as for learning curves,
    and at most `layers` layers, evenly spaced from the first to the last.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        tickets AS (
            SELECT cell, ticket_id FROM counted_rows()
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
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, LayerWeights, _merged)


_SUMS = "[" + ", ".join(f"CAST(sum(counts[{i}]) AS BIGINT)" for i in range(1, BINS + 1)) + "]"
"""SQL that adds histograms bin by bin; unnesting the lists takes five times as long (for 140,000).
"""


def _merged(**fields: Any) -> LayerWeights:
    found = LayerWeights(**fields)
    start, end = (
        merged(histograms, found.reach) for histograms in (fields["start"], fields["end"])
    )
    return replace(found, start=start, end=end)


def merged(histograms: Iterable[tuple[float, Sequence[int]]], reach: float) -> tuple[int, ...]:
    """Add histograms, given as (reach, counts [BINS]), into one [BINS] over [−reach, reach].

    `reach` is at least the largest of theirs. Reaches are powers of two, so every wider bin is a
    whole number of narrower ones, and the sum is exact.
    """
    total = [0] * BINS
    for own, counts in histograms:
        narrower = round(reach / own)
        for i, count in enumerate(counts):
            total[BINS // 2 + (i - BINS // 2) // narrower] += count
    return tuple(total)


@dataclass(frozen=True, kw_only=True)
class DistanceMatrix(Subject):
    """Distances between the masks that one search drew, as Early-Bird does."""

    target_density: float
    """In (0, 1]."""
    seed: int
    steps: tuple[int, ...]
    """[n]: optimizer steps after which the masks were drawn."""
    values: tuple[tuple[float, ...], ...]
    """[n][n]: fraction of differing bits, in [0, 1]."""
    threshold: float | None
    """Distance below which masks count as settled; None where the suite does not set it."""


def distance_matrices(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 4, moments: int = 64
) -> dict[Place, list[DistanceMatrix]]:
    """Mask distances by task, label and density (from dense to sparse), of the lowest seed that
    recorded them.

    For each task, at most `densities` densities, chosen as for learning curves, and at most
    `moments` steps, evenly spaced from the first to the last.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        lowest AS (
            SELECT f.cell, f.seed, m.steps, m."values", f.params ->> '$.threshold' AS threshold
            FROM counted_rows() f JOIN matrices m ON m.ticket_id = f.ticket_id
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
        asked(con, suites),
    ).fetchall()

    def thinned(**fields: Any) -> DistanceMatrix:
        steps, values = fields["steps"], fields["values"]
        n = len(steps)
        kept = spread(range(n), moments)
        matrix = tuple(tuple(values[i * n + j] for j in kept) for i in kept)
        found = DistanceMatrix(**fields)
        return replace(found, steps=tuple(steps[i] for i in kept), values=matrix)

    return by_place(con, rows, DistanceMatrix, thinned)
