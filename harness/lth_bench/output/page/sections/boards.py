"""The suite's other leaderboards, and what it claims, as their commands print them."""

from __future__ import annotations

from lth_bench.analysis.table import Board
from lth_bench.output.page.content import Part, Prose, Section, grid_of
from lth_bench.output.page.known import SuiteKnown

TITLES = {
    "matching": "The sparsest ticket that matches the baseline",
    "area": "Over all densities: area under the curve",
    "cost": "What it costs to reach an accuracy",
    "across": "Across tasks",
}
"""By leaderboard, in the order they are read."""


def boards(known: SuiteKnown) -> Section | None:
    """A leaderboard for every question but accuracy at a density, which each task begins with."""
    parts: list[Part] = []
    for kind, title in TITLES.items():
        if kind in known.boards:
            parts += _parts(known.boards[kind], f"{title} (lth-bench leaderboard {_option(kind)}).")
    return Section("boards", "Other leaderboards", parts) if parts else None


def claims(known: SuiteKnown) -> Section | None:
    """The claims of the suite, and whether they come out here. None where it has none."""
    if not known.claims.tables:
        return None
    return Section("claims", "Claims of the literature", _parts(known.claims, ""))


def _option(kind: str) -> str:
    return "--across" if kind == "across" else f"--by {kind}"


def _parts(board: Board, title: str) -> list[Part]:
    parts: list[Part] = [Prose([title])] if title else []
    parts += [grid_of(table) for table in board.tables]
    lines = [line for line in board.legend.splitlines() if line]
    return [*parts, *(Prose([line], "quiet") for line in lines)]
