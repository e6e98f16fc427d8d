"""Who a line or a point in a figure stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Subject:
    """A label or one of its controls."""

    strategy: str
    label: str
    control: str
    """`none` for the ticket itself."""
    source: str
    """Task the ticket was found on, MODEL/DATASET/RECIPE, where that is another one; else empty."""

    @property
    def name(self) -> str:
        """LABEL or LABEL/CONTROL, and where it is from if transferred."""
        name = self.label if self.control == "none" else f"{self.label}/{self.control}"
        return f"{name} from {self.source}" if self.source else name

    @property
    def is_dense(self) -> bool:
        """Whether this is the unpruned network: a horizontal line to compare with."""
        return self.strategy == "dense"


WHO = """
WITH who AS (
    SELECT
        c.cell, c.task, c.target_density, c.strategy, c.label, c.control,
        CASE
            WHEN (c.source_model, c.source_dataset, c.source_recipe)
                = (t.model, t.dataset, t.recipe)
            THEN '' ELSE concat_ws('/', c.source_model, c.source_dataset, c.source_recipe)
        END AS source,
        (c.strategy <> 'dense', c.label, source, c.control <> 'none', c.control) AS place
    FROM cells c JOIN tasks t ON t.task = c.task
    WHERE ? IS NULL OR list_contains(?::VARCHAR[], t.suite)
)
"""
"""Begins a query: every cell's task and Subject, and `place`, its place in legends: dense first,
each ticket before its controls. Takes `asked(suites)` as its parameters."""


def asked(suites: Sequence[str]) -> list[list[str] | None]:
    """Parameters of WHO; none is all suites."""
    return [list(suites) or None] * 2


def subjects(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Subject]:
    """Everybody that was planned in the suites (none: all), in the order of figures' legends."""
    rows = con.execute(
        f"""
        {WHO}
        SELECT strategy, label, control, source FROM who
        GROUP BY place, strategy, label, control, source ORDER BY place
        """,
        asked(suites),
    ).fetchall()
    return [Subject(*row) for row in rows]
