"""Tables of a leaderboard: one a task, the dense run first, controls under their tickets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Literal

from lth_bench.analysis.answers import OTHER_DATA
from lth_bench.analysis.boards.rows import BoardRow, who
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.numbers import count, ratio
from lth_bench.analysis.table import Cell, Line, Style, Table
from lth_bench.system.text import printable

RowRole = Literal["dense", "ranked", "control"]
TUNING = (
    " tuning: training steps that the search for a label's parameters took on this task, "
    "without sharing, on seeds of its own and the validation split; in no other column."
)
TIED = (
    "3=: tied with the best, which is not shown to be better (one-sided paired t-tests against it, "
    "with Bonferroni's correction: at 95% the truly best is among these)."
)
"""What the sign in the column `#` means."""
LINE_STYLE: dict[RowRole, Style] = {"dense": "dense", "ranked": "", "control": "dim"}


def role(row: BoardRow) -> RowRole:
    """What a row is in its table."""
    if row["control"] != "none":
        return "control"
    return "dense" if row["strategy"] == "dense" else "ranked"


def styles(row: BoardRow) -> tuple[Style, Style]:
    """Of a row's name and rank, and of its other cells."""
    whole = LINE_STYLE[role(row)]
    return ("best" if role(row) == "ranked" and row["rank"] == 1 else whole), whole


def place(row: BoardRow) -> str:
    """The rank; `3=` where it is tied with the best, which is not shown to be better."""
    if role(row) != "ranked" or row["rank"] is None:
        return ""
    return f"{row['rank']}=" if row.get("tied") and row["rank"] > 1 else str(row["rank"])


def seeds(row: BoardRow) -> str:
    """Seeds with a result, and of how many where some have none."""
    return str(row["n"]) if row["n"] == row["planned"] else f"{row['n']}/{row['planned']}"


def difference(row: BoardRow, style: Style, measure: Measure = ACCURACY) -> Cell:
    """The mean difference to the baseline, with its interval where there is room."""
    if row["difference"] is None:
        return Cell("", style)
    text = measure.difference_with_half(row["difference"], row["difference_high"])
    return Cell(text, style, short=measure.difference(row["difference"]))


def detects(row: BoardRow, style: Style, measure: Measure = ACCURACY) -> Cell:
    """The true difference that the row's seeds detect with 80% power."""
    size = row["detectable"]
    return Cell("" if size is None else measure.value(size), style)


def times(row: BoardRow, style: Style) -> Cell:
    """The mean ratio to the baseline, with its interval where there is room."""
    if row["ratio"] is None:
        return Cell("", style)
    short = ratio(row["ratio"])
    if row["ratio_low"] is None:
        return Cell(short, style)
    return Cell(f"{short} ({ratio(row['ratio_low'])}–{ratio(row['ratio_high'])})", style, short)


def tables(
    rows: Iterable[BoardRow],
    header: Callable[[BoardRow], Sequence[str]],
    line: Callable[[BoardRow, bool], Line],
    notes: Callable[[list[BoardRow]], Sequence[str]],
    about: Callable[[BoardRow], str] | None = None,
) -> list[Table]:
    """One table a suite and task, in the rows' order, a block for each density, share of FLOPs or
    budget.

    `header` and `about`, which adds to the title, are given a row of the task, `line` a row and
    whether it is its block's first. Where any of the rows was tuned, a last column says what that
    cost, on a board whose rows have it.
    """
    rows = list(rows)
    header, line = _with_tuning(rows, header, line)
    found = []
    for (suite, model, dataset, recipe), group in groupby(
        rows, key=lambda r: (r["suite"], r["model"], r["dataset"], r["recipe"])
    ):
        members = list(group)
        head = tuple(header(members[0]))
        title = printable(f"{model} · {dataset} · {recipe}")
        blocks = [
            [line(row, not number) for number, row in enumerate(under_tickets(list(block)))]
            for _, block in groupby(members, key=_block)
        ]
        found.append(
            Table(
                header=head,
                blocks=blocks,
                title=title + (f" · {about(members[0])}" if about else ""),
                group=suite,
                left=frozenset({head.index("strategy")}),
                optional=frozenset(i for i, title in enumerate(head) if title == "detects"),
                wide=frozenset(i for i, title in enumerate(head) if title == OTHER_DATA),
                notes=tuple(notes(members)),
                about=(suite, model, dataset, recipe),
            )
        )
    return found


def tuning_legend(rows: Iterable[BoardRow]) -> str:
    """What the column `tuning` means, where there is one."""
    return TUNING if any(row["tuning_steps"] is not None for row in rows) else ""


def _with_tuning(
    rows: Iterable[BoardRow],
    header: Callable[[BoardRow], Sequence[str]],
    line: Callable[[BoardRow, bool], Line],
) -> tuple[Callable[[BoardRow], Sequence[str]], Callable[[BoardRow, bool], Line]]:
    if all(row.get("tuning_steps") is None for row in rows):
        return header, line

    def cell(row: BoardRow) -> Cell:
        steps = row["tuning_steps"]
        return Cell("" if steps is None else count(steps), styles(row)[1])

    return (
        lambda row: (*header(row), "tuning"),
        lambda row, first: (*line(row, first), cell(row)),
    )


def _block(row: BoardRow) -> object:
    """The share of FLOPs, the budget or the density, or, where a row is about all, whether it is
    the dense run.
    """
    for key in ("flops_share", "budget", "target_density"):
        if key in row:
            return row[key]
    return row["strategy"] == "dense"


def under_tickets(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Every ticket with its controls after it; controls without a ticket last."""
    tickets = [r for r in rows if r["control"] == "none"]
    controls: dict[tuple[str, ...], list[BoardRow]] = {}
    for row in rows:
        if row["control"] != "none":
            controls.setdefault(who(row), []).append(row)
    found = [row for ticket in tickets for row in (ticket, *controls.pop(who(ticket), ()))]
    return found + [row for left in controls.values() for row in left]
