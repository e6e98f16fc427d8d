"""The leaderboard as a run ends with it."""

from __future__ import annotations

from lth_bench.report.rendering import show
from lth_bench.report.rows import rows
from lth_bench.report.sheet import board
from lth_bench.store.paths import Paths
from lth_bench.store.reading import reading, to_stderr


def print_leaderboard(paths: Paths, suite: str | None = None) -> None:
    """The leaderboard of a suite (or of all) as a table on stdout."""
    with reading(paths.results, to_stderr) as con:
        show(board(rows(con, suites=[suite] if suite else ())), "table")
