"""Leaderboards of every kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, get_args

from lth_bench.analysis.boards import (
    area,
    budget,
    censoring,
    cost,
    flops,
    latency,
    matching,
    metric,
    notes,
    speed,
    transfer,
)
from lth_bench.analysis.boards.baseline import Baselines, baselines
from lth_bench.analysis.boards.scope import BoardScope, Selection, resolve
from lth_bench.analysis.ingredients.board import board as ingredients_board
from lth_bench.analysis.measures import (
    ACCURACY,
    Measure,
    measure,
    measured,
    named_once,
    primary_measures,
)
from lth_bench.analysis.table import Board, Table
from lth_bench.errors import UserError, suggest
from lth_bench.suite.spec import BoardKind
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.analysis.boards.scores import Scores

KINDS: tuple[str, ...] = get_args(BoardKind)
LATENCY = "latency"
"""The kind that shows what `measure` has timed: no result of a run, so that no suite has it."""
COMPUTED = ("flops", "matching", "area", "cost")
"""Those that compute with the values of the metric at several densities."""
WITHIN = {
    "transfer": "with the tickets that were found on the same task",
    "ingredients": "each ablated ticket with the ticket itself",
}
"""Those that compare tickets of one label, and rank none; what with what."""
MEASURED = ("metric", "baseline", "margin", "reach", "across")
"""Options about results, which have no meaning with `--by latency`."""
ACROSS = ("accuracy", "matching", "area", "cost", "speed")
"""Those that rank over all tasks of a suite too; shares of FLOPs differ between tasks."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What to rank, and how. UserError for values that make no sense together."""

    by: str = "accuracy"
    """One of KINDS, or LATENCY."""
    metric: str | None = None
    """The metric to use: a column of `tickets_flat`, `generalisation_gap`, what training and search
    take together, such as `total_steps`, or a metric that a plugin's `score` reports. None and
    `score` are each task's primary metric, which is test accuracy for classification."""
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

    @property
    def has_card(self) -> bool:
        """Whether a card sums it up: by a metric, within each task."""
        return self.by == "accuracy" and not self.across

    def __post_init__(self) -> None:
        if self.by not in (known := (*KINDS, LATENCY)):
            raise UserError(f"unknown kind of leaderboard {self.by!r}{suggest(self.by, known)}")
        if self.by == LATENCY:
            for option in MEASURED:
                if getattr(self, option) not in (None, False):
                    raise UserError(
                        f"--{option} has no meaning with --by latency, which shows measured times; "
                        f"leave it out"
                    )
        for option, value in (("--margin", self.margin), ("--baseline", self.baseline)):
            meant = (self.by, option) == ("ingredients", "--margin")
            if self.by in WITHIN and value is not None and not meant:
                raise UserError(
                    f"{option} has no meaning with --by {self.by}, which compares "
                    f"{WITHIN[self.by]}; leave it out"
                )
        if self.margin is not None and not 0 < self.margin < 1:
            raise UserError(
                f"--margin must lie in (0, 1), but got {self.margin:g}; 0.005 is half a point"
            )
        if self.by == "speed" and self.metric not in (
            None, "score", ACCURACY.name, speed.EARLY_STOP.name,
        ):  # fmt: skip
            raise UserError(
                f"--metric {self.metric} has no meaning with --by speed, which ranks by "
                f"{speed.EARLY_STOP.name}; leave out --by to rank by {self.metric}"
            )
        if self.reach is not None and self.metric is not None and self.metric != "score":
            _require_reach(self.reach, [measure(self.metric)])
        if self.reach is not None and self.by != "cost":
            raise UserError(f"--reach goes with --by cost, not with --by {self.by}")
        if self.reach is not None and self.margin is not None:
            raise UserError("--reach names the accuracy itself, so that --margin has no meaning")
        if self.across and self.by not in ACROSS:
            why = "is a grid of tasks" if self.by == "transfer" else "compares within each task"
            raise UserError(
                f"--by {self.by} {why} and has no --across; use --by area --across, or leave out "
                f"--across"
            )
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
    if q.by == LATENCY:
        return latency.board(con, scope)
    if q.metric is not None and q.metric != "score" and q.by != "speed":
        parts = [(measured(con, q.metric), scope)]
    else:
        parts = by_metric(con, scope)
    if q.reach is not None:
        _require_reach(q.reach, [known for known, _ in parts])
    if q.across:
        return _across(con, q, scope, parts)
    boards: list[tuple[Measure, Board]] = []
    margins: list[str] = []
    lacking: dict[str, UserError] = {}
    for known, part in parts:
        try:
            against = baselines(con, part, q.baseline)
            boards.append((known, _board(con, q, against, known)))
            margins.append(against.margin_words(known, q.margin, "the baseline"))
        except UserError as error:  # there may be results of the others
            lacking[known.name] = error
    if not boards:
        raise next(iter(lacking.values()))
    return boards[0][1] if len(parts) == 1 else _joined(boards, q, margins, lacking)


def by_metric(con: DuckDBPyConnection, scope: BoardScope) -> list[tuple[Measure, BoardScope]]:
    """The primary metrics of a scope's tasks, and the tasks of each; accuracy first."""
    measures = primary_measures(con)
    names = named_once(measures[task] for task in scope.tasks)
    if len(names) == 1:
        return [(names[0], scope)]
    return [
        (known, scope.of([task for task in scope.tasks if measures[task] == known]))
        for known in names
    ]


def _require_reach(reach: float, measures: Sequence[Measure]) -> None:
    """UserError for a value that the tasks' metric cannot have, or if they have several."""
    if len(measures) > 1:
        names = ", ".join(known.name for known in measures)
        raise UserError(
            f"--reach {reach:g} is a value of one metric, but these tasks are judged by {names}; "
            f"choose tasks with -d or -m, or name the metric with --metric"
        )
    known = measures[0]
    if known.is_fraction and not 0 < reach <= 1:
        hint = f"; did you mean {reach / 100:g}?" if 1 < reach <= 100 else ""
        what = "an accuracy" if known.is_accuracy else "a fraction"
        raise UserError(f"--reach must be {what} in (0, 1], but got {reach:g}{hint}")
    if not math.isfinite(reach):
        raise UserError(f"--reach must be a finite number, but got {reach:g}")


def _joined(
    boards: Sequence[tuple[Measure, Board]],
    q: Question,
    margins: Sequence[str],
    lacking: Mapping[str, UserError],
) -> Board:
    """Boards by several metrics as one: each row names its own, and so does each table. `margins`
    are each board's in words.
    """
    rows = [row for _, board in boards for row in board.rows]
    tables = [table for _, board in boards for table in board.tables]
    # what a table means is told once, and of the others' metrics in what they differ
    others = [
        f"{known.name}: {known.direction}; a difference below {margin} does not matter."
        for (known, _), margin in zip(boards[1:], margins[1:], strict=True)
    ]
    without = [f"No table by {name}: {error.message}." for name, error in lacking.items()]
    legend = " ".join([boards[0][1].legend, *(others if q.by != "speed" else ()), *without])
    return Board(boards[0][1].name, rows, tables, legend)


def _board(con: DuckDBPyConnection, q: Question, against: Baselines, known: Measure) -> Board:
    scope = against.scope
    if q.by in COMPUTED:
        censoring.require_times(con, scope, known, q.by, q.across)
    if q.by == "transfer":
        board = transfer.board(con, scope, known)
        told = [say(con, scope) for say in notes.EVERY]
        return replace(board, tables=_noted_grids(board.tables, told))
    if q.by == "ingredients":
        board = ingredients_board(con, against, known, q.margin)
        others = [say(con, scope) for say in notes.EVERY if say is not notes.ablations]
        return replace(board, tables=_noted(board.tables, others))
    if q.by == "cost":
        board = cost.board(
            con, scope, against=against, margin=q.margin, reach=q.reach, measure=known
        )
    elif q.by == "speed":
        board = speed.board(con, scope, against, q.margin or speed.MARGIN, known)
    else:
        kinds = {
            "accuracy": metric, "flops": flops, "matching": matching, "area": area,
            "budget": budget,
        }  # fmt: skip
        kind = kinds[q.by]
        board = kind.board(con, scope, against, q.margin, known)
    board = replace(board, tables=_noted(board.tables, [say(con, scope) for say in notes.EVERY]))
    tasks = [task.suite for task in scope.tasks.values()]
    if len(set(tasks)) < len(tasks):
        board = replace(board, legend=f"{board.legend} --across: all tasks of a suite together.")
    return board


def _noted(tables: Sequence[Table], told: Sequence[Mapping[tuple[str, ...], str]]) -> list[Table]:
    """The tables with what must be said of a task below the last one about it."""
    found = list(tables)
    last = {table.about: i for i, table in enumerate(found)}
    for texts in told:
        for task, text in texts.items():
            if (i := last.get(task)) is not None:
                found[i] = replace(found[i], notes=(*found[i].notes, text))
    return found


def _noted_grids(
    tables: Sequence[Table], told: Sequence[Mapping[tuple[str, ...], str]]
) -> list[Table]:
    """Grids over tasks, with what must be said of a suite's tasks below its last one."""
    found = list(tables)
    last = {table.group: i for i, table in enumerate(found)}
    for texts in told:
        for (suite, *task), text in texts.items():
            if (i := last.get(printable(suite))) is not None:
                said = printable(f"{' · '.join(task)}: {text}")
                found[i] = replace(found[i], notes=(*found[i].notes, said))
    return found


def _across(
    con: DuckDBPyConnection,
    q: Question,
    scope: BoardScope,
    parts: Sequence[tuple[Measure, BoardScope]],
) -> Board:
    from lth_bench.analysis.boards import across_tables, scores

    against = baselines(con, scope, q.baseline)
    if q.by == "speed":  # steps are steps, whatever the tasks are judged by
        return across_tables.board(scores.speed_scores(con, scope, against), against)
    found = []
    lacking: list[UserError] = []
    bounds = False
    for known, part in parts:
        try:
            own = baselines(con, part, q.baseline)
            one = _scores(con, q, part, own, known)
            if censoring.never_reached(con, part, known):
                one, bounds = scores.ranks_only(one), True
            found.append(one)
        except UserError as error:  # there may be results of the others
            lacking.append(error)
    if not found:
        raise lacking[0]
    board = across_tables.board(scores.joined(found, q.by), against)
    return replace(board, legend=board.legend + censoring.ACROSS) if bounds else board


def _scores(
    con: DuckDBPyConnection, q: Question, scope: BoardScope, against: Baselines, known: Measure
) -> Scores:
    from lth_bench.analysis.boards import scores

    if q.by in COMPUTED:
        censoring.require_times(con, scope, known, q.by, q.across)
    if q.by == "accuracy":
        return scores.metric_scores(con, scope, against, known)
    if q.by == "area":
        return scores.area_scores(con, scope, against, known)
    if q.by == "matching":
        return scores.matching_scores(con, scope, against, q.margin, known)
    return scores.cost_scores(
        con, scope, against=against, margin=q.margin, reach=q.reach, measure=known
    )
