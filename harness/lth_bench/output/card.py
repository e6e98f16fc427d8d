"""A suite's card on a terminal: what came of it, on 80 columns and 24 lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.layout import place
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.card import Card, CardRow, TaskCard
from lth_bench.analysis.measures import ACCURACY, Measure, minus
from lth_bench.analysis.numbers import ratio
from lth_bench.analysis.table import Style
from lth_bench.output.interval import IntervalScale, Whiskers, none_known
from lth_bench.output.terminal import GAP, RICH_STYLES
from lth_bench.output.words import counted
from lth_bench.system.streams import spelled
from lth_bench.system.text import aligned, columns_of, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LEAST_DRAWN, MOST_DRAWN = 9, 41
"""Columns of the drawn intervals."""
AROUND = 14
"""Lines of a terminal that are not a card's rows: its text, and what a run says after it."""
FEWEST = 4
"""Rows that are shown on the lowest terminal."""
NARROW = 100
"""Columns below which names and verdicts are short."""
LONGEST_NAME = 20
"""Columns of a name there, at most."""


@dataclass(frozen=True)
class _Column:
    heading: str
    cells: Sequence[str]
    left: bool = False
    styles: Sequence[Style] = ()


def print_card(card: Card, console: Console) -> None:
    """The finding, its methods or tasks as a table, what is settled, and what to do next.

    On a terminal as many rows as its height has room for.
    """
    from rich.text import Text

    plain = not console.encoding.startswith("utf")
    seeds = counted(card.seeds, "seed")
    if len(card.tasks) == 1:
        (task,) = card.tasks
        head = f"{task.name} · {task.share} of the weights, {card.chosen} · {seeds}"
    else:
        at = f"{card.shares[0]} of the weights, " if len(card.shares) == 1 else ""
        head = f"{len(card.tasks)} tasks · {at}{card.chosen} · {seeds}"
    head = " · ".join([head, *map(printable, card.directions)])
    _say(console, Text.assemble((printable(card.suite), "bold cyan"), f" · {head}"))
    _say(console, Text(card.finding, style="bold"))
    if card.after_the_fact:
        _say(console, Text("Not fixed by the suite: it may be chosen for its results.", "yellow"))
    console.print()
    room = max(FEWEST, console.height - AROUND) if console.is_terminal else None
    make = _of_methods if len(card.tasks) == 1 else _of_tasks
    for text in make(card, console.width, plain, room):
        console.print(text, no_wrap=True, overflow="ignore", crop=False)
    if matches := _matches(card, console.width):
        _say(console, Text(matches, style="dim"))
    console.print()
    if card.settled_words:
        _say(console, Text(f"{card.settled_words}."))
    for step in card.next:
        _say(console, Text.assemble(("next: ", "bold"), f"{step.why}:"))
        text = Text(f"  {spelled(step.command, console.encoding)}", style="green")
        console.print(text, no_wrap=True, overflow="ignore", crop=False)


def _say(console: Console, text: Text) -> None:
    from rich.text import Text

    if not console.encoding.startswith("utf"):
        text = Text(spelled(text.plain, console.encoding))
    console.print(text)


def _of_methods(card: Card, width: int, plain: bool, room: int | None) -> Iterator[Text]:
    """A line for the dense run and for each method, the best first."""
    (task,) = card.tasks
    measure = task.measure
    rows = list(task.rows if room is None else task.rows[: room - 1])
    dense = task.dense
    most = max([row.row["n"] for row in task.rows] + ([] if dense is None else [dense["n"]]))
    best: list[Style] = ["best" if row is task.best else "" for row in rows]
    intervals = [_interval(row.row) for row in rows]
    first: list[Style] = ["dense"]
    columns = [
        _Column("#", ["", *(place(row.row) for row in rows)], True, [*first, *best]),
        _Column("method", ["dense", *(_name(row, width) for row in rows)], True, [*first, *best]),
        _Column(
            _heading(measure, width),
            ["–" if dense is None else measure.value(dense["mean"]),
             *("–" if row.row["mean"] is None else measure.value(row.row["mean"])
               for row in rows)],
            False, [*first, *best],
        ),
        _Column(f"Δ {task.versus}",
                ["", *(delta_in_words(row.row, measure, most) for row in rows)]),
        _Column("verdict", ["", *(row.verdict for row in rows)], True,
                ["", *(row.style for row in rows)]),
        _Column("cost", ["1×" if dense is not None else "", *map(cost_in_words, rows)]),
    ]  # fmt: skip
    if any(row.area_place for row in rows):
        columns.append(_Column("all", ["", *map(_overall, rows)]))
    yield from _table(columns, [(None, None, None), *intervals], measure, width, plain)
    if len(rows) < len(task.rows):
        from rich.text import Text

        yield Text(f"and {len(task.rows) - len(rows)} more", style="dim")


def _of_tasks(card: Card, width: int, plain: bool, room: int | None) -> Iterator[Text]:
    """A line a task: its first method."""
    from rich.text import Text

    tasks = list(card.tasks if room is None else card.tasks[:room])
    one = len({task.measure.name for task in tasks}) == 1
    versus = {task.versus for task in tasks}
    firsts = [task.best for task in tasks]

    def each(show: Callable[[TaskCard, CardRow], str], nothing: str = "") -> list[str]:
        pairs = zip(tasks, firsts, strict=True)
        return [nothing if row is None else show(task, row) for task, row in pairs]

    columns = [
        _Column("task", [_cut(task.name, width // 5) for task in tasks], True),
        *([_Column("at", [task.share for task in tasks])] if len(card.shares) > 1 else []),
        _Column("first +tied", each(_first, "none"), True, ["best"] * len(tasks)),
        _Column(
            _heading(tasks[0].measure, width) if one else "metric",
            each(lambda task, row: mean_in_words(task.measure, row.row, named=not one), "–"),
        ),
        _Column(
            f"Δ {versus.pop()}" if len(versus) == 1 and width >= NARROW else "Δ",
            each(lambda task, row: delta_in_words(row.row, task.measure, row.row["n"])),
        ),
        _Column("verdict", each(lambda _, row: row.short_verdict if width < NARROW
                                else row.verdict, "no result"), True,
                ["" if row is None else row.style for row in firsts]),
        _Column("cost", each(lambda _, row: cost_in_words(row))),
    ]  # fmt: skip
    if width >= NARROW:
        columns.append(_Column("cheapest match", [_cheapest(task) for task in tasks], True))
    rows = [None if task.best is None else drawn_row(task, card) for task in tasks]
    intervals = [(None, None, None) if row is None else _interval(row) for row in rows]
    yield from _table(columns, intervals, tasks[0].measure if one else None, width, plain)
    if len(tasks) < len(card.tasks):
        yield Text(f"and {len(card.tasks) - len(tasks)} more tasks", style="dim")


def _matches(card: Card, width: int) -> str:
    """The cheapest that matches on each task, where the table has no room for it."""
    known = {task.cheapest.name for task in card.tasks if task.cheapest is not None}
    if width >= NARROW or len(known) < 2 or len(card.tasks) > FEWEST:
        return ""
    said = [f"{printable(task.name)}: {_cheapest(task)}" for task in card.tasks]
    return f"cheapest match: {', '.join(said)}"


def drawn_row(task: TaskCard, card: Card) -> BoardRow:
    """The row of a task's first method as it is drawn beside those of the other tasks: where these
    have several metrics, in margins, better above 0.
    """
    assert task.best is not None
    row = task.best.row
    if len({one.measure.name for one in card.tasks}) == 1:
        return row
    names = ("difference_low", "difference", "difference_high")
    if not row["margin"] or row["difference"] is None:
        return row | dict.fromkeys(names)
    sign = task.measure.sign
    found = [None if row[x] is None else sign * row[x] / row["margin"] for x in names[::sign]]
    return row | dict(zip(names, found, strict=True)) | {"margin": 1.0}


def _table(
    columns: list[_Column],
    intervals: Sequence[Whiskers],
    measure: Measure | None,
    width: int,
    plain: bool,
) -> Iterator[Text]:
    """The columns with the intervals drawn before the verdict, as wide as there is room; in margins
    where the rows have several measures.
    """
    higher = measure is None or measure.higher
    if plain:
        columns = [_in_ascii(column) for column in columns]
    at = next(i for i, column in enumerate(columns) if column.heading == "verdict")
    gap = GAP
    if width - _width(columns, gap) - len(gap) < LEAST_DRAWN:
        gap = " "
    free = width - _width(columns, gap) - len(gap)
    if free < LEAST_DRAWN and columns[-1].heading == "all":
        columns = columns[:-1]
        free = width - _width(columns, gap) - len(gap)
    if free >= LEAST_DRAWN and not none_known(intervals):
        known = [one for one in intervals if one[1] is not None]
        scale = IntervalScale.over(known, min(free, MOST_DRAWN), higher=higher, plain=plain)
        ends = (scale.low, scale.high) if higher else (scale.high, scale.low)
        head = scale.heading(*(_end(measure, end).replace("−", "-" if plain else "−")
                               for end in ends))  # fmt: skip
        columns.insert(at, _Column(head, [scale.draw(one) for one in intervals], True))
    yield _line([column.heading for column in columns], columns, ["dim"] * len(columns), gap)
    for i in range(len(columns[0].cells)):
        styles = [column.styles[i] if column.styles else "" for column in columns]
        yield _line([column.cells[i] for column in columns], columns, styles, gap)


def _in_ascii(column: _Column) -> _Column:
    """Before it is aligned: Δ takes five characters there."""
    heading, *cells = (spelled(text, "ascii") for text in (column.heading, *column.cells))
    return replace(column, heading=heading, cells=cells)


def _end(measure: Measure | None, x: float) -> str:
    """An end of the scale, in two digits."""
    if measure is None:
        return minus(f"{x:+.2g}m")
    return minus(f"{100 * x:+.1f}" if measure.is_fraction else f"{x:+.2g}")


def _heading(measure: Measure, width: int) -> str:
    return "acc %" if measure == ACCURACY and width < NARROW else measure.column


def _width(columns: Sequence[_Column], gap: str) -> int:
    return sum(map(_column_width, columns)) + len(gap) * (len(columns) - 1)


def _column_width(column: _Column) -> int:
    return max(map(columns_of, (column.heading, *column.cells)))


def _line(
    texts: Sequence[str], columns: Sequence[_Column], styles: Sequence[str], gap: str
) -> Text:
    from rich.text import Text

    found = Text()
    for text, column, style in zip(texts, columns, styles, strict=True):
        known = RICH_STYLES.get(style, style)  # type: ignore[call-overload]
        found.append(aligned(text, _column_width(column), right=not column.left), known)
        found.append(gap)
    found.rstrip()
    return found


def _interval(row: BoardRow) -> Whiskers:
    return (row["difference_low"], row["difference"], row["difference_high"])


def _name(row: CardRow, width: int) -> str:
    """Where space is short, * stands for the density that a structured method lands at."""
    if width >= NARROW:
        return printable(row.name)
    label, _, below = printable(row.name).partition(" (")
    return _cut(label, LONGEST_NAME) + "*" * bool(below)


def _cut(text: str, most: int) -> str:
    return text if columns_of(text) <= most else f"{text[: most - 1]}…"


def _first(task: TaskCard, row: CardRow) -> str:
    tied = len(task.tied)
    return printable(row.name) + (f" +{tied}" if tied else "")


def mean_in_words(measure: Measure, row: BoardRow, named: bool) -> str:
    """A row's mean; `named`: with its unit and metric."""
    if row["mean"] is None:
        return "–"
    text = measure.value(row["mean"])
    return f"{text}{'%' * measure.is_fraction} {measure.without_split}" if named else text


def delta_in_words(row: BoardRow, measure: Measure, most: int) -> str:
    """A row's mean difference; with its pairs of seeds where `most`, those of the means beside it,
    are not as many, as the difference of the means is then another: `−0.25 n=4`.
    """
    if row["difference"] is None:
        return ""
    pairs = f" n={row['difference_n']}" if row["difference_n"] != most else ""
    return measure.difference(row["difference"]) + pairs


def cost_in_words(row: CardRow) -> str:
    """As a multiple of the dense run's: `1.9×`; empty where it is not known."""
    return "" if row.cost is None else f"{ratio(row.cost)}×"


def _overall(row: CardRow) -> str:
    if row.area_place is None:
        return ""
    return f"{row.area_place}=" if row.area_tied and row.area_place > 1 else str(row.area_place)


def _cheapest(task: TaskCard) -> str:
    row = task.cheapest
    return "none yet" if row is None else f"{printable(row.name)} {cost_in_words(row)}"
