"""Rows of the leaderboard by accuracy, for who makes tables of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lth_bench.analysis.boards import accuracy
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import Row
from lth_bench.analysis.boards.scope import Selection, resolve

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Row", "rows"]


def rows(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Row]:
    """Those of `boards.accuracy.rows`, compared with each suite's own baseline.

    UnknownName for a suite that is not there, NothingSelected where nothing is planned.
    """
    scope = resolve(con, Selection(suites=suites))
    return accuracy.rows(con, scope, baselines(con, scope))
