"""Which densities, steps and layers are shown, where all of them would be too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from lth_bench.analysis.evidence.subject import WHO

T = TypeVar("T")


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` ≥ 1 of the items, evenly spread; first and last included.

    The last alone where one is asked for: of densities from dense to sparse, the sparsest.
    """
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[j * (len(items) - 1) // (most - 1)] for j in range(most)]


def is_spread(most: int, i: str = "i", m: str = "m") -> str:
    """`spread` in SQL: whether the row numbered i, from 0, of m is one of those."""
    if most == 1:
        return f"{i} = {m} - 1"
    # i is j · (m − 1) // (most − 1) for some j if it is for the smallest j that reaches it
    j = f"(({i} * {most - 1} + {m} - 2) // ({m} - 1))"
    return f"({m} <= {most} OR {j} * ({m} - 1) // {most - 1} = {i})"


def shown(densities: int) -> str:
    """Begins a query as WHO does, with `shown`: who's cells at the densities to be shown.

    Of each task, the dense run and at most `densities` of those that tickets reached.
    """
    return f"""
    {WHO},
    reached AS (
        SELECT DISTINCT task, target_density FROM flat
        WHERE status = 'ok' AND control = 'none' AND strategy <> 'dense'
    ),
    by_density AS (
        SELECT
            *, row_number() OVER (PARTITION BY task ORDER BY target_density DESC) - 1 AS i,
            count(*) OVER (PARTITION BY task) AS m
        FROM reached
    ),
    shown AS (
        SELECT w.* FROM who w
        LEFT JOIN by_density d ON d.task = w.task AND d.target_density = w.target_density
        WHERE w.strategy = 'dense' OR {is_spread(densities)}
    )
    """
