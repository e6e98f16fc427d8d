"""The procedure: the rounds of one iterative search, with their masks and accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.subject import (
    REFERENCE,
    WHO,
    Place,
    Subject,
    asked,
    by_place,
)
from lth_bench.analysis.evidence.units import IS_MAP

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FACTS = ("number", "density", "score", "start", "ticket_id")
"""What is known of a round before its curve and its masks are read."""

PREFERRED = "imp"
"""The strategy that is shown where a task has several iterative ones."""


@dataclass(frozen=True, kw_only=True)
class ProcedureRound:
    """One training of the search: at first the dense run, then a ticket."""

    number: int
    """Number of the round, from 1; the dense run is 0."""
    density: float
    """Kept fraction, in (0, 1]."""
    score: float | None
    """The task's primary metric on the test split, in its own unit."""
    start: int
    """Step that it was rewound to."""
    step: tuple[int, ...]
    """Steps of its evaluations."""
    val_score: tuple[float, ...]
    """The primary metric on the validation split there."""
    val_loss: tuple[float, ...]
    layers: tuple[str, ...]
    kept: tuple[float, ...]
    """Fraction of each layer that is kept, from input to output."""
    pixels: tuple[float, ...]
    """Fraction of each pixel's first-layer weights that is kept, row by row from the top; empty
    where the first layer does not read an image."""
    width: int
    """Pixels in a row; 0 without them."""


@dataclass(frozen=True, kw_only=True)
class Procedure(Subject):
    """The search of one label at one seed."""

    seed: int
    rounds: tuple[ProcedureRound, ...]
    """The dense run first."""


def procedures(
    con: DuckDBPyConnection, suites: Sequence[str] = (), rounds: int = 6
) -> dict[Place, Procedure]:
    """One search of each task that has an iterative strategy and its dense run: of `imp` if it is
    there, at the lowest seed that reached most densities; of more than `rounds` trainings, the
    first ones.
    """
    rows = con.execute(
        f"""
        {WHO},
        {REFERENCE},
        tickets AS (
            SELECT
                w.*, f.seed, f.ticket_id, f.density, f.score, coalesce(f.rewind_step, 0) AS start,
                CASE WHEN w.strategy = 'dense' THEN 0 ELSE f.round + 1 END AS number,
                p.iterative
            FROM counted_rows() f
            JOIN who w ON w.cell = f.cell
            JOIN plans p ON p.experiment_id = f.experiment_id AND p.suite = f.suite
            WHERE f.status = 'ok' AND f.control = 'none'
        ),
        searches AS (
            SELECT task, strategy, label, source, seed, count(*) AS n
            FROM tickets WHERE iterative AND strategy <> 'dense' AND source = ''
            GROUP BY task, strategy, label, source, seed
        ),
        chosen AS (
            SELECT * FROM searches QUALIFY row_number() OVER (
                PARTITION BY task ORDER BY strategy <> '{PREFERRED}', label, n DESC, seed
            ) = 1
        )
        SELECT
            c.task, c.strategy, c.label, 'none', c.source, c.seed,
            list(
                (t.number, t.density, t.score, t.start, t.ticket_id)
                ORDER BY t.target_density DESC
            )
        FROM chosen c
        JOIN reference r ON r.task = c.task
        JOIN tickets t ON t.task = c.task AND t.seed = c.seed AND (
            t.strategy = 'dense' AND t.label = r.label OR t.label = c.label AND t.source = c.source
        )
        GROUP BY ALL
        HAVING bool_or(t.strategy = 'dense')
        """,
        asked(con, suites),
    ).fetchall()

    ids = [one[-1] for row in rows for one in row[-1][:rounds]]
    curves, layers, maps = _curves(con, ids), _layers(con, ids), _maps(con, ids)

    def filled(**fields: Any) -> Procedure:
        own = [dict(zip(FACTS, one, strict=True)) for one in fields.pop("rounds")[:rounds]]
        return Procedure(
            **fields,
            rounds=tuple(
                ProcedureRound(
                    **facts,
                    **curves.get(ticket, NO_CURVE),
                    **layers.get(ticket, NO_LAYERS),
                    **maps.get(ticket, NO_MAP),
                )
                for facts in own
                for ticket in (facts.pop("ticket_id"),)
            ),
        )

    return {place: found[0] for place, found in by_place(con, rows, Procedure, filled).items()}


NO_CURVE: dict[str, Any] = {"step": (), "val_score": (), "val_loss": ()}
NO_LAYERS: dict[str, Any] = {"layers": (), "kept": ()}
NO_MAP: dict[str, Any] = {"pixels": (), "width": 0}


def _curves(con: DuckDBPyConnection, tickets: list[str]) -> dict[str, dict[str, Any]]:
    """The validation curve of each ticket, by its id."""
    rows = con.execute(
        "SELECT ticket_id, list((step, val_score, val_loss) ORDER BY step) FROM curves "
        "WHERE ticket_id IN (SELECT unnest(?::VARCHAR[])) AND isfinite(val_score) "
        "AND isfinite(val_loss) GROUP BY ticket_id",
        [tickets],
    ).fetchall()
    return {
        ticket: dict(zip(NO_CURVE, map(tuple, zip(*points, strict=True)), strict=True))
        for ticket, points in rows
    }


def _layers(con: DuckDBPyConnection, tickets: list[str]) -> dict[str, dict[str, Any]]:
    """The fraction that each ticket keeps of its layers, by its id."""
    rows = con.execute(
        "SELECT ticket_id, list((layer, kept / total) ORDER BY position) FROM layers "
        "WHERE ticket_id IN (SELECT unnest(?::VARCHAR[])) AND total > 0 GROUP BY ticket_id",
        [tickets],
    ).fetchall()
    return {
        ticket: dict(zip(NO_LAYERS, map(tuple, zip(*parts, strict=True)), strict=True))
        for ticket, parts in rows
    }


def _maps(con: DuckDBPyConnection, tickets: list[str]) -> dict[str, dict[str, Any]]:
    """What each ticket keeps of its images' pixels, by its id; only of those that read images."""
    rows = con.execute(
        "SELECT u.ticket_id, u.shape, u.kept, l.total FROM units u "
        "JOIN layers l ON l.ticket_id = u.ticket_id AND l.layer = u.layer "
        "WHERE u.ticket_id IN (SELECT unnest(?::VARCHAR[])) AND u.side = 'in' AND l.total > 0 "
        f"AND {IS_MAP}",
        [tickets],
    ).fetchall()
    found = {}
    for ticket, (channels, height, width), kept, total in rows:
        places = height * width
        sums = [sum(kept[c * places + i] for c in range(channels)) for i in range(places)]
        pixels = tuple(places * value / total for value in sums)
        found[ticket] = {"pixels": pixels, "width": width}
    return found
