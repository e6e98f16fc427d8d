"""Decision boundaries and their dual polygons, of one seed of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lth_bench.analysis.evidence.subject import REFERENCE, Place, Subject, asked, by_place, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Coordinates = Sequence[float | None]


class Curve(NamedTuple):
    """Points in the plane, in order; None is a gap."""

    x: Coordinates
    y: Coordinates


@dataclass(frozen=True, kw_only=True)
class Boundary(Subject):
    """One network. Its polygons are placed and scaled so that the hull's centroid is at 0 and its
    diameter 1, and end where they begin.
    """

    target_density: float
    """In (0, 1]."""
    seed: int
    unrelated: bool
    """Whether this is not a result but the second dense network, from other initial values."""
    boundary: Curve
    """In the network's own inputs."""
    hull: Curve
    zonotopes: Curve
    """Both."""
    classes: tuple[Curve, ...]
    """Some training examples of each class; with the dense run alone."""
    unbiased: bool
    """Whether it has no biases, so that its boundary is what its hull says."""


OTHER = "other_"
"""Begins the names of a second dense network's outlines."""


@dataclass(frozen=True, kw_only=True)
class _Outlines(Subject):
    """What the database has of a ticket."""

    target_density: float
    seed: int
    names: tuple[str, ...]
    x: tuple[Coordinates, ...]
    y: tuple[Coordinates, ...]


def boundaries(
    con: DuckDBPyConnection, suites: Sequence[str] = (), densities: int = 6
) -> dict[Place, list[Boundary]]:
    """By task and label, from dense to sparse: at the lowest seed whose dense run has them, the
    dense run first and then the second dense network.

    For each task, at most `densities` densities, chosen as for learning curves.
    """
    rows = con.execute(
        f"""
        {shown(densities)},
        {REFERENCE},
        known AS (
            SELECT f.cell, f.task, f.seed, f.strategy, f.label, o.name, o.x, o.y
            FROM counted_rows() f JOIN outlines o ON o.ticket_id = f.ticket_id
            WHERE f.status = 'ok' AND f.cell IN (SELECT cell FROM shown)
        ),
        chosen AS (
            SELECT task, min(seed) AS seed FROM known JOIN reference USING (task, label)
            WHERE strategy = 'dense' GROUP BY task
        )
        SELECT
            s.task, s.strategy, s.label, s.control, s.source, s.target_density, k.seed,
            list(k.name ORDER BY k.name), list(k.x ORDER BY k.name), list(k.y ORDER BY k.name)
        FROM known k
        JOIN chosen USING (task, seed)
        JOIN shown s ON s.cell = k.cell
        GROUP BY
            s.task, s.place, s.strategy, s.label, s.control, s.source, s.target_density, k.seed
        ORDER BY s.task, s.place, s.target_density DESC
        """,
        asked(con, suites),
    ).fetchall()
    found = by_place(con, rows, _Outlines)
    return {
        place: [one for row in those for one in _read(row, has_null=row is those[0])]
        for place, those in found.items()
    }


def _read(row: _Outlines, has_null: bool) -> list[Boundary]:
    """`has_null`: whether its second network is the null of all, as that of the dense run is."""
    outlines = {name: Curve(x, y) for name, x, y in zip(row.names, row.x, row.y, strict=True)}
    made = [_boundary(row, outlines)]
    other = {n.removeprefix(OTHER): curve for n, curve in outlines.items() if n.startswith(OTHER)}
    if other and has_null:
        made.append(_boundary(row, other, unrelated=True))
    return [one for one in made if one is not None]


def _boundary(
    row: _Outlines, outlines: Mapping[str, Curve], *, unrelated: bool = False
) -> Boundary | None:
    """None where an outline is missing, as in a journal of unknown origin, or the hull is a
    point.
    """
    import numpy as np

    from lth_bench.geometry import centroid, diameter

    if not {"boundary", "hull", "zonotope_0", "zonotope_1"} <= outlines.keys():
        return None
    polygons = [
        np.array(outlines[name], dtype=np.float64).T
        for name in ("hull", "zonotope_0", "zonotope_1")
    ]
    if not all(len(p) and np.isfinite(p).all() for p in polygons) or not diameter(polygons[0]):
        return None
    middle, size = centroid(polygons[0]), diameter(polygons[0])
    closed = [(np.concatenate([p, p[:1]]) - middle) / size for p in polygons]
    hull, first, second = (Curve(*(tuple(axis) for axis in p.T.tolist())) for p in closed)
    return Boundary(
        strategy=row.strategy,
        label=row.label,
        control=row.control,
        source=row.source,
        target_density=row.target_density,
        seed=row.seed,
        unrelated=unrelated,
        boundary=outlines["boundary"],
        hull=hull,
        zonotopes=Curve((*first.x, None, *second.x), (*first.y, None, *second.y)),
        classes=tuple(outlines[name] for name in ("class_0", "class_1") if name in outlines),
        unbiased="normals" in outlines,
    )
