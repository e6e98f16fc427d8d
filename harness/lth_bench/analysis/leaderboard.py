"""Leaderboards of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lth_bench.analysis.boards import accuracy, area, cost, matching, speed
from lth_bench.analysis.boards.ablations import ablations
from lth_bench.analysis.boards.alike import unlike
from lth_bench.analysis.boards.baseline import Baselines, baselines
from lth_bench.analysis.boards.collapse import collapses
from lth_bench.analysis.boards.prunable import shares
from lth_bench.analysis.boards.scope import Scope, Selection, resolve
from lth_bench.analysis.boards.seen import seen
from lth_bench.analysis.table import Board, Table
from lth_bench.errors import UserError, suggest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KINDS = ("accuracy", "matching", "area", "cost", "speed")


@dataclass(frozen=True)
class Question:
    """What to rank, and how. UserError for values that make no sense together."""

    by: str = "accuracy"
    """One of KINDS."""
    selection: Selection = field(default_factory=Selection)
    baseline: str | None = None
    """LABEL or LABEL/CONTROL to compare with; None is each suite's own, mostly `dense`."""
    margin: float | None = None
    """Difference that does not matter, in (0, 1): a fraction of accuracy, by default 0.005; for
    `speed` a fraction of the steps, by default 0.1."""
    reach: float | None = None
    """Test accuracy to reach, in (0, 1]; None is the dense runs' mean less the margin."""
    across: bool = False
    """Whether to rank across the tasks of each suite."""

    def __post_init__(self) -> None:
        if self.by not in KINDS:
            raise UserError(f"unknown leaderboard --by {self.by!r}{suggest(self.by, KINDS)}")
        if self.margin is not None and not 0 < self.margin < 1:
            raise UserError(
                f"--margin must lie in (0, 1), but got {self.margin:g}; 0.005 is half a point"
            )
        if self.reach is not None and not 0 < self.reach <= 1:
            hint = f"; did you mean {self.reach / 100:g}?" if 1 < self.reach <= 100 else ""
            raise UserError(f"--reach must be an accuracy in (0, 1], but got {self.reach:g}{hint}")
        if self.reach is not None and self.by != "cost":
            raise UserError(f"--reach goes with --by cost, not with --by {self.by}")
        if self.reach is not None and self.margin is not None:
            raise UserError("--reach names the accuracy itself, so that --margin has no meaning")
        if self.across and self.margin is not None and self.by in ("accuracy", "area", "speed"):
            raise UserError(
                f"--margin has no meaning with --by {self.by} --across, which tests for any "
                "difference"
            )


def leaderboard(con: DuckDBPyConnection, question: Question | None = None) -> Board:
    """The leaderboard that answers a question.

    UnknownName for a name that is not there, NothingSelected where the filters leave nothing or
    nothing has come out yet, UserError where nothing has been paired with the baseline.
    """
    q = question or Question()
    scope = resolve(con, q.selection)
    against = baselines(con, scope, q.baseline)
    if q.across:
        return _across(con, q, scope, against)
    margin = q.margin or (speed.MARGIN if q.by == "speed" else accuracy.MARGIN)
    if q.by == "cost":
        board = cost.board(con, scope, against, margin, q.reach)
    else:
        kind = {"accuracy": accuracy, "matching": matching, "area": area, "speed": speed}[q.by]
        board = kind.board(con, scope, against, margin)
    for say in (unlike, seen, ablations, collapses, shares):
        notes = say(con, scope)
        board = replace(board, tables=_noted(board.tables, notes))
    tasks = [task.suite for task in scope.tasks.values()]
    if len(set(tasks)) < len(tasks):
        board = replace(board, legend=f"{board.legend} --across: all tasks of a suite together.")
    return board


def _noted(tables: Sequence[Table], notes: Mapping[tuple[str, ...], str]) -> list[Table]:
    """The tables with what must be said of their tasks."""
    return [
        replace(table, notes=(*table.notes, notes[table.about])) if table.about in notes else table
        for table in tables
    ]


def _across(con: DuckDBPyConnection, q: Question, scope: Scope, against: Baselines) -> Board:
    from lth_bench.analysis.boards import across_tables, scores

    margin = q.margin or accuracy.MARGIN
    if q.by == "accuracy":
        found = scores.accuracy_scores(con, scope, against)
    elif q.by == "area":
        found = scores.area_scores(con, scope, against)
    elif q.by == "speed":
        found = scores.speed_scores(con, scope, against)
    elif q.by == "matching":
        found = scores.matching_scores(con, scope, against, margin)
    else:
        found = scores.cost_scores(con, scope, against, margin, q.reach)
    return across_tables.board(found, against)
