"""Tables of a leaderboard: one a task, the dense run first, controls under their tickets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Literal

from lth_bench.analysis.boards.rows import Row, who
from lth_bench.analysis.numbers import count, half_width, percent, points, ratio
from lth_bench.analysis.table import Cell, Line, Style, Table
from lth_bench.system.printable import printable

Kind = Literal["dense", "ranked", "control"]
TUNING = (
    " tuning: training steps that the search for a label's parameters took on this task, as if "
    "nothing were shared, on seeds of its own and the validation split; in no other column."
)
LINE_STYLE: dict[Kind, Style] = {"dense": "dense", "ranked": "", "control": "dim"}


def kind(row: Row) -> Kind:
    """What a row is in its table."""
    if row["control"] != "none":
        return "control"
    return "dense" if row["strategy"] == "dense" else "ranked"


def styles(row: Row) -> tuple[Style, Style]:
    """Of a row's name and rank, and of its other cells."""
    whole = LINE_STYLE[kind(row)]
    return ("best" if kind(row) == "ranked" and row["rank"] == 1 else whole), whole


def place(row: Row) -> str:
    """The rank; where it is known, the places that the label could truly have: 1–3."""
    if kind(row) != "ranked" or row["rank"] is None:
        return ""
    low, high = row.get("rank_low"), row.get("rank_high")
    if low is None or high is None or low == high:
        return str(row["rank"])
    return f"{low}–{high}"


def seeds(row: Row) -> str:
    """Seeds with a result, and of how many where some have none."""
    return str(row["n"]) if row["n"] == row["planned"] else f"{row['n']}/{row['planned']}"


def difference(row: Row, style: Style) -> Cell:
    """The mean difference to the baseline in points, with its interval where there is room."""
    if row["difference"] is None:
        return Cell("", style)
    short = points(row["difference"])
    half = half_width(row["difference"], row["difference_high"])
    return Cell(f"{short} ± {half}" if half else short, style, short=short)


def detects(row: Row, style: Style) -> Cell:
    """The true difference that so many seeds show in 4 of 5 cases, in points."""
    size = row["detectable"]
    return Cell("" if size is None else percent(size), style)


def times(row: Row, style: Style) -> Cell:
    """The mean ratio to the baseline, with its interval where there is room."""
    if row["ratio"] is None:
        return Cell("", style)
    short = ratio(row["ratio"])
    if row["ratio_low"] is None:
        return Cell(short, style)
    return Cell(f"{short} ({ratio(row['ratio_low'])}–{ratio(row['ratio_high'])})", style, short)


def tables(
    rows: Iterable[Row],
    header: Callable[[Row], Sequence[str]],
    line: Callable[[Row, bool], Line],
    notes: Callable[[list[Row]], Sequence[str]],
    about: Callable[[Row], str] | None = None,
) -> list[Table]:
    """One table a suite and task, in the rows' order, a block for each target density.

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
                notes=tuple(notes(members)),
                about=(suite, model, dataset, recipe),
            )
        )
    return found


def tuning_legend(rows: Iterable[Row]) -> str:
    """What the column `tuning` means, where there is one."""
    return TUNING if any(row["tuning_steps"] is not None for row in rows) else ""


def _with_tuning(
    rows: Iterable[Row],
    header: Callable[[Row], Sequence[str]],
    line: Callable[[Row, bool], Line],
) -> tuple[Callable[[Row], Sequence[str]], Callable[[Row, bool], Line]]:
    if all(row.get("tuning_steps") is None for row in rows):
        return header, line

    def cell(row: Row) -> Cell:
        steps = row["tuning_steps"]
        return Cell("" if steps is None else count(steps), styles(row)[1])

    return (
        lambda row: (*header(row), "tuning"),
        lambda row, first: (*line(row, first), cell(row)),
    )


def _block(row: Row) -> object:
    """The density, or, where a row is about all of them, whether it is the dense run."""
    return row.get("target_density", row["strategy"] == "dense")


def under_tickets(rows: Sequence[Row]) -> list[Row]:
    """Every ticket with its controls after it; controls without a ticket last."""
    tickets = [r for r in rows if r["control"] == "none"]
    controls: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["control"] != "none":
            controls.setdefault(who(row), []).append(row)
    found = [row for ticket in tickets for row in (ticket, *controls.pop(who(ticket), ()))]
    return found + [row for left in controls.values() for row in left]


def outstanding(rows: Sequence[Row], what: str = "rows") -> list[str]:
    """What is said below a table of results that are not there; `what` is counted."""
    totals = {key: sum(r[key] for r in rows) for key in ("failed", "skipped", "pending")}
    notes = []
    if totals["failed"] or totals["skipped"]:
        notes.append(
            f"{totals['failed']} of {sum(r['planned'] for r in rows)} {what} failed and "
            f'{totals["skipped"]} were skipped; why: lth-bench query "FROM failures"'
        )
    if totals["pending"]:
        notes.append(
            f"{totals['pending']} {what} are still to come; run the suite again to go on, with "
            f"--retry oom,timeout where memory or time was short"
        )
    return notes
