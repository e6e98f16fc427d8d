"""Where masks keep weights: per pixel of an image, and per unit of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.subject import Place, Subject, asked, by_place, is_spread, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RANKS = 33
"""Units of a layer that are read, from the one that keeps most to the one that keeps least."""

IS_MAP = "len(u.shape) = 3 AND len(u.kept) > 0 AND len(u.kept) = list_product(u.shape)"
"""SQL condition: whether a row u of `units` is an image's or a kernel's, and whole."""


@dataclass(frozen=True, kw_only=True)
class MaskMap(Subject):
    """The first layer's kept weights by pixel, or by place in the kernel, of one label at one
    density.
    """

    target_density: float
    """In (0, 1]."""
    layer: str
    is_kernel: bool
    """Whether the places are those of a convolution's kernel; otherwise they are pixels."""
    width: int
    """Places in a row."""
    kept: tuple[float, ...]
    """Fraction of each place's weights that is kept, in [0, 1], row by row from the top: mean over
    the seeds, and over an image's channels."""
    n: int
    """Number of seeds."""

    @property
    def relative(self) -> list[list[float]]:
        """[H][W], the top row first: the places' fractions, divided by their mean."""
        mean = sum(self.kept) / len(self.kept)
        flat = [value / mean for value in self.kept]
        return [flat[i : i + self.width] for i in range(0, len(flat), self.width)]


def mask_maps(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 6
) -> dict[Place, list[MaskMap]]:
    """Maps by task, label and density (from dense to sparse), without controls, of networks whose
    first layer reads an image. At most `densities` densities of each task, evenly spaced among
    those reached, including the sparsest.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        mapped AS (
            SELECT
                f.cell, f.ticket_id, u.layer, u.side, u.shape[2] * u.shape[3] AS places,
                u.shape[3] AS width, l.total, u.kept
            FROM counted_rows() f
            JOIN units u ON u.ticket_id = f.ticket_id
            JOIN layers l ON l.ticket_id = u.ticket_id AND l.layer = u.layer
            WHERE f.status = 'ok' AND f.control = 'none' AND l.total > 0 AND {IS_MAP}
                AND f.cell IN (SELECT cell FROM shown)
        ),
        single AS (
            SELECT
                * EXCLUDE (kept), (generate_subscripts(kept, 1) - 1) % places AS place,
                unnest(kept) AS kept
            FROM mapped
        ),
        averaged AS (
            SELECT
                cell, layer, side, width, place, count(DISTINCT ticket_id) AS n,
                sum(kept * places / total) / count(DISTINCT ticket_id) AS kept
            FROM single GROUP BY cell, layer, side, width, place
        )
        SELECT
            task, strategy, label, control, source, target_density, layer, side = 'kernel', width,
            list(kept ORDER BY a.place), max(n)
        FROM averaged a JOIN shown s ON s.cell = a.cell
        GROUP BY task, s.place, strategy, label, control, source, target_density, layer, side, width
        ORDER BY task, s.place, target_density DESC
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, MaskMap)


@dataclass(frozen=True, kw_only=True)
class UnitShares(Subject):
    """One side of the units of one layer, of one label at one density."""

    target_density: float
    """In (0, 1]."""
    layer: str
    side: str
    """`in`: weights out of each of the layer's inputs; `out`: into each of its outputs."""
    kept: tuple[float, ...]
    """Fraction of a unit's weights that is kept, in [0, 1], from the unit that keeps most to the
    one that keeps least, at evenly spaced ranks: sorted at each seed, then averaged."""
    n: int
    """Number of seeds."""


def unit_shares(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 4, layers: int = 4
) -> dict[Place, list[UnitShares]]:
    """Shares by task, layer (from input to output), label and density (from dense to sparse),
    without controls; densities and layers chosen as for histograms of weights.
    """
    ranks = (
        f"[CAST(round(i * (len(kept) - 1) / {RANKS - 1}) AS BIGINT) + 1 FOR i IN range({RANKS})]"
    )
    rows = con.execute(
        f"""
        {shown(densities)},
        own AS (
            SELECT f.cell, u.layer, u.side, l.position, l.total / len(u.kept) AS most, u.kept
            FROM counted_rows() f
            JOIN units u ON u.ticket_id = f.ticket_id
            JOIN layers l ON l.ticket_id = u.ticket_id AND l.layer = u.layer
            WHERE f.status = 'ok' AND f.control = 'none' AND u.side IN ('in', 'out')
                AND len(u.kept) > 1 AND l.total > 0 AND f.cell IN (SELECT cell FROM shown)
        ),
        numbered AS (
            SELECT
                task, layer, min(position) AS position,
                row_number() OVER (PARTITION BY task ORDER BY min(position), layer) - 1 AS i,
                count(*) OVER (PARTITION BY task) AS m
            FROM own JOIN shown USING (cell) GROUP BY task, layer
        ),
        sorted AS (
            SELECT
                cell, layer, side, most,
                list_select(list_reverse_sort(kept), {ranks}) AS kept,
                generate_series(1, {RANKS}) AS ranks
            FROM own
        ),
        single AS (
            SELECT cell, layer, side, unnest(ranks) AS rank, unnest(kept) / most AS kept
            FROM sorted
        ),
        averaged AS (
            SELECT cell, layer, side, rank, avg(kept) AS kept, count(*) AS n
            FROM single GROUP BY cell, layer, side, rank
        )
        SELECT
            task, strategy, label, control, source, target_density, layer, side,
            list(kept ORDER BY rank), max(n)
        FROM averaged
        JOIN shown USING (cell)
        JOIN (SELECT task, layer, position FROM numbered WHERE {is_spread(layers)}) few
            USING (task, layer)
        GROUP BY
            task, place, strategy, label, control, source, target_density, layer, side, position
        ORDER BY task, position, side, place, target_density DESC
        """,
        asked(con, suites),
    ).fetchall()
    return by_place(con, rows, UnitShares)
