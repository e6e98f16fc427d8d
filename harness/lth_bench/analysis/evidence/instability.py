"""Barriers between the copies of a ticket, by the step that it is rewound to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence.subject import WHO, Place, Subject, asked, by_place
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DISTANCE = "copies_distance"


@dataclass(frozen=True, kw_only=True)
class Barrier(Subject):
    """One measure of instability of one label at one density."""

    target_density: float
    """In (0, 1]."""
    metric: str
    """`barrier_test_error`, `barrier_train_loss`, …, or `copies_distance`."""
    rewind_step: float
    """Step at which the copies part, mean over the seeds: a search may end at several."""
    mean: float
    """In the metric's own unit; of errors a fraction."""
    high: float | None
    """Upper end of the 95% t-interval of the mean; None at one seed."""
    n: int
    """Number of seeds."""


def barriers(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> dict[Place, list[Barrier]]:
    """By task, measure, density (from dense to sparse) and label, of all tickets with the control
    `reorder`; each under its own name, since the barrier is the ticket's.
    """
    names = con.execute(
        "SELECT DISTINCT metric FROM metrics WHERE metric = ? OR metric LIKE 'barrier\\_%' "
        "ESCAPE '\\' ORDER BY metric",
        [DISTANCE],
    ).fetchall()
    rows: list[Sequence[object]] = []
    for (name,) in names:
        rows += con.execute(
            f"""
            {WHO},
            rewound AS (
                SELECT cell, avg(rewind_step) AS step FROM counted_rows()
                WHERE status = 'ok' AND control = 'reorder' GROUP BY cell
            )
            SELECT
                w.task, w.strategy, w.label, 'none', w.source, w.target_density, {quoted(name)},
                r.step, b.mean, b.high, b.n
            FROM board_of({quoted(name)}) b
            JOIN who w ON w.cell = b.cell
            JOIN rewound r ON r.cell = b.cell
            WHERE b.n > 0
            ORDER BY w.task, w.target_density DESC, place
            """,
            asked(con, suites),
        ).fetchall()
    return by_place(con, rows, Barrier)
