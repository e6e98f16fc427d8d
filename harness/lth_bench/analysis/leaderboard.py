"""Leaderboards of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lth_bench.analysis.boards import area, cost, matching, metric, notes, speed
from lth_bench.analysis.boards.baseline import Baselines, baselines
from lth_bench.analysis.boards.scope import BoardScope, Selection, resolve
from lth_bench.analysis.measures import ACCURACY, Measure, measure, measured
from lth_bench.analysis.table import Board, Table
from lth_bench.errors import UserError, suggest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KINDS = ("accuracy", "matching", "area", "cost", "speed")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What to rank, and how. UserError for values that make no sense together."""

    by: str = "accuracy"
    """One of KINDS."""
    metric: str | None = None
    """The metric to use: a column of `tickets_flat`, `generalisation_gap`, or a metric that a
    plugin's `score` reports. None and `score` are each task's primary metric, which is test
    accuracy for classification."""
    selection: Selection = field(default_factory=Selection)
    baseline: str | None = None
    """LABEL or LABEL/CONTROL to compare with; None is each suite's own, mostly `dense`."""
    margin: float | None = None
    """Equivalence margin, in (0, 1): absolute for accuracies and other fractions (default 0.005),
    for other metrics relative to the baseline's mean (default 0.05; 0.1 for `speed`)."""
    reach: float | None = None
    """The metric's value to reach, of a fraction in (0, 1]; None is the dense runs' mean, worse by
    the margin."""
    across: bool = False
    """Whether to rank across the tasks of each suite."""

    def __post_init__(self) -> None:
        if self.by not in KINDS:
            raise UserError(f"unknown kind of leaderboard {self.by!r}{suggest(self.by, KINDS)}")
        if self.margin is not None and not 0 < self.margin < 1:
            raise UserError(
                f"--margin must lie in (0, 1), but got {self.margin:g}; 0.005 is half a point"
            )
        metric = self.metric or ACCURACY.name
        if self.by == "speed" and metric not in (ACCURACY.name, speed.EARLY_STOP.name):
            raise UserError(
                f"--metric {metric} has no meaning with --by speed, which ranks by "
                f"{speed.EARLY_STOP.name}; leave out --by to rank by {metric}"
            )
        fraction = measure(metric).is_fraction
        if self.reach is not None and fraction and not 0 < self.reach <= 1:
            hint = f"; did you mean {self.reach / 100:g}?" if 1 < self.reach <= 100 else ""
            what = "an accuracy" if metric.endswith("accuracy") else "a fraction"
            raise UserError(f"--reach must be {what} in (0, 1], but got {self.reach:g}{hint}")
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
    if q.metric is not None and q.metric != "score":
        return _board(con, q, scope, measured(con, q.metric))
    parts = primaries(con, scope)
    boards = [_board(con, q, part, known) for known, part in parts]
    if len(boards) == 1:
        return boards[0]
    return _joined(boards, [known for known, _ in parts], q.margin)


def primaries(con: DuckDBPyConnection, scope: BoardScope) -> list[tuple[Measure, BoardScope]]:
    """The primary metrics of a scope's tasks, and the tasks of each; accuracy first."""
    by_name: dict[str, list[int]] = {}
    said = dict(con.execute("SELECT task, any_value(metric) FROM flat GROUP BY task").fetchall())
    for task in scope.tasks:
        by_name.setdefault(said.get(task, ACCURACY.name), []).append(task)
    names = sorted(by_name, key=lambda name: (name != ACCURACY.name, name))
    if len(names) == 1:
        return [(measured(con, names[0]), scope)]
    return [
        (
            measured(con, name),
            BoardScope(
                {task: scope.tasks[task] for task in by_name[name]},
                {**scope.filters, "tasks": by_name[name]},
            ),
        )
        for name in names
    ]


def _joined(boards: Sequence[Board], measures: Sequence[Measure], margin: float | None) -> Board:
    """Boards by several metrics as one; every row says which is its own."""
    rows = [
        {**row, "metric": known.name}
        for board, known in zip(boards, measures, strict=True)
        for row in board.rows
    ]
    # what a table means is told once, and of the others' metrics in what they differ
    others = [
        f"{known.name}: {'higher' if known.higher else 'lower'} is better; a difference below "
        f"{known.margin_words(margin, 'the baseline')} does not matter."
        for known in measures[1:]
    ]
    legend = " ".join([boards[0].legend, *others])
    return Board(boards[0].name, rows, [t for board in boards for t in board.tables], legend)


def _board(con: DuckDBPyConnection, q: Question, scope: BoardScope, known: Measure) -> Board:
    against = baselines(con, scope, q.baseline)
    if q.across:
        return _across(con, q, scope, against, known)
    if q.by == "cost":
        board = cost.board(
            con, scope, against=against, margin=q.margin, reach=q.reach, measure=known
        )
    elif q.by == "speed":
        board = speed.board(con, scope, against, q.margin or speed.MARGIN)
    else:
        kind = {"accuracy": metric, "matching": matching, "area": area}[q.by]
        board = kind.board(con, scope, against, q.margin, known)
    for say in notes.EVERY:
        board = replace(board, tables=_noted(board.tables, say(con, scope)))
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


def _across(
    con: DuckDBPyConnection, q: Question, scope: BoardScope, against: Baselines, known: Measure
) -> Board:
    from lth_bench.analysis.boards import across_tables, scores

    if q.by == "accuracy":
        found = scores.metric_scores(con, scope, against, known)
    elif q.by == "area":
        found = scores.area_scores(con, scope, against, known)
    elif q.by == "speed":
        found = scores.speed_scores(con, scope, against)
    elif q.by == "matching":
        found = scores.matching_scores(con, scope, against, q.margin, known)
    else:
        found = scores.cost_scores(
            con, scope, against=against, margin=q.margin, reach=q.reach, measure=known
        )
    return across_tables.board(found, against)
