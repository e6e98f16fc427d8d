"""The answer first: a task's methods at the headline density, each beside the dense run; above the
tasks of a suite what came of it, and a line a task.
"""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.boards.layout import difference, place
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.card import CHOSEN, Card, TaskCard
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.page import SuiteReport, TaskReport
from lth_bench.analysis.table import Cell, Style
from lth_bench.output.card import cost_in_words, drawn_row, mean_in_words
from lth_bench.output.interval import IntervalScale
from lth_bench.output.page.content import (
    Code,
    Column,
    Grid,
    GridRow,
    IntervalCell,
    Part,
    Prose,
    Section,
    View,
    Views,
)
from lth_bench.output.words import counted, remaining

COST = (
    "FLOPs of search and training, if pruned weights cost nothing, as a multiple of the dense run's"
)


def answer(task: TaskReport) -> Section | None:
    """Every method at one density, the best first; readers may choose another one."""
    card = task.card
    if card is None or not card.rows:
        return None
    views = [at_density(one) for one in (card, *card.elsewhere)]
    parts = views[0].parts if len(views) == 1 else [Views("weights kept", views)]
    return Section("answer", views[0].heading, parts)


def at_density(card: TaskCard) -> View:
    """A task's methods at one density, and how it was chosen."""
    chosen = CHOSEN[card.chosen].removeprefix("density ")
    about = (
        f"The density is {chosen}; verdicts are against {card.against}, and the "
        f"shade is the margin of {card.margin}."
    )
    title = f"Every method at {card.share} of the weights"
    return View(card.share, title, [_methods(card), Prose([about], "quiet")])


def opening(suite: SuiteReport, finding: bool) -> list[Part]:
    """What came of a suite, of several tasks a line each, and what to do next. `finding`: whether
    it is to be said here, and not in the page's title.
    """
    return [] if suite.card is None else of_card(suite.card, finding=finding)


def of_card(card: Card, finding: bool) -> list[Part]:
    """The same of a card."""
    parts: list[Part] = [Prose([card.finding], "finding")] if finding else []
    if len(card.tasks) > 1:
        parts.append(_tasks(card))
    if card.settled_words:
        parts.append(Prose([f"{card.settled_words}."]))
    parts += [Code(f"Next: {step.why}", step.command) for step in card.next]
    return parts


def _methods(card: TaskCard) -> Grid:
    measure = card.measure
    scale = scale_over(measure, [row.row for row in card.rows])
    rows = [] if card.dense is None else [_dense(card.dense, measure)]
    for row in card.rows:
        style: Style = "best" if row is card.best else ""
        cells = (
            Cell(place(row.row)),
            Cell(row.name, style),
            Cell(mean_text(row.row, measure), style),
            delta_cell(row.row, measure),
            drawn_cell(row.row, scale),
            Cell(row.verdict, row.style),
            Cell(cost_in_words(row)),
        )
        rows.append(GridRow(cells))
    columns = (
        Column("#", "place; = is tied with the best", ascending=True),
        Column("method", numeric=False),
        Column(measure.column, "mean over the seeds"),
        Column(f"Δ {card.versus}", f"mean difference to {card.against}, seed by seed, ± half of "
               "its 95% t-interval"),
        Column("better →", "the difference drawn", numeric=False),
        Column("verdict", f"against {card.against}", numeric=False),
        Column("cost", COST),
    )  # fmt: skip
    caption = f"{card.name} at {card.share}: {measure.words} over {counted(card.seeds, 'seed')}"
    return Grid(caption=caption, columns=columns, rows=rows, head=1, cards=True)


def _dense(row: BoardRow, measure: Measure) -> GridRow:
    texts = ("", "dense", mean_text(row, measure), "", "", "", "1×")
    return GridRow([Cell(text) for text in texts], style="dense")


def _tasks(card: Card) -> Grid:
    """A line a task: its first method, and the cheapest that matches."""
    rows = []
    measure = card.tasks[0].measure
    one = len({task.measure.name for task in card.tasks}) == 1
    shares = card.shares
    drawn = {task.name: drawn_row(task, card) for task in card.tasks if task.best is not None}
    scale = scale_over(measure if one else None, list(drawn.values()))
    for task in card.tasks:
        best, cheapest = task.best, task.cheapest
        matched = "none yet" if cheapest is None else f"{cheapest.name} ({cost_in_words(cheapest)})"
        found = [Cell("no result"), *[Cell("")] * 5]
        if best is not None:
            found = [
                Cell(best.name + (f" +{len(task.tied)} tied" if task.tied else ""), "best"),
                Cell(mean_in_words(task.measure, best.row, named=not one)),
                delta_cell(best.row, task.measure),
                drawn_cell(drawn[task.name], scale),
                Cell(best.verdict, best.style),
                Cell(cost_in_words(best)),
            ]
        own = [Cell(remaining(task.density))] if len(shares) > 1 else []
        rows.append(GridRow([Cell(task.name), *own, *found, Cell(matched)]))
    columns = (
        Column("task", numeric=False),
        *([Column("density %", "weights kept")] if len(shares) > 1 else []),
        Column("first", "and how many are not shown to be worse than it", numeric=False),
        Column(measure.column if one else "metric", "its mean over the seeds"),
        Column("Δ", "mean difference to what it is compared with, seed by seed, ± half of its 95% "
               "t-interval"),
        Column("better →", "the difference drawn" + ("" if one else ", in margins"), numeric=False),
        Column("verdict", numeric=False),
        Column("cost", COST),
        Column("cheapest match", "the cheapest that is shown to be worse by less than the margin, "
               "if at all", numeric=False),
    )  # fmt: skip
    where = "" if len(shares) > 1 else f", at {shares[0]} of the weights"
    return Grid(
        caption=f"First of each task{where}", columns=columns, rows=rows, head=0, cards=True
    )


def scale_over(measure: Measure | None, rows: Sequence[BoardRow]) -> IntervalScale | None:
    """One scale for the differences of these rows; None where nothing was compared. Without a
    measure better is above 0.
    """
    known = [_whiskers(row) for row in rows if row["difference"] is not None]
    if not known:
        return None
    return IntervalScale.over(known, IntervalCell.WIDTH, higher=measure is None or measure.higher)


def _whiskers(row: BoardRow) -> tuple[float | None, float | None, float | None]:
    return (row["difference_low"], row["difference"], row["difference_high"])


def delta_cell(row: BoardRow, measure: Measure) -> Cell:
    """The mean difference with half of its interval; empty where nothing was compared."""
    return Cell("" if row["difference"] is None else difference(row, "", measure).text)


def drawn_cell(row: BoardRow, scale: IntervalScale | None) -> Cell:
    """What lies beyond the scale ends at its edge."""
    low, mean, high = _whiskers(row)
    if scale is None or mean is None:
        return Cell("")

    def within(*values: float) -> list[int]:
        return sorted(min(max(scale.column(x), 0), scale.width) for x in values)

    margin = row["margin"] or 0.0
    left, right = within(-margin, margin)
    ends = within(*(mean if x is None else x for x in (low, high)))
    at = scale.column(mean)
    return IntervalCell(
        text="",
        zero=scale.column(0.0),
        mean=at if 0 <= at <= scale.width else None,
        low=ends[0],
        high=ends[1],
        band=(left, right - left),
    )


def mean_text(row: BoardRow, measure: Measure) -> str:
    """The mean over the seeds, or a dash."""
    return "–" if row["mean"] is None else measure.value(row["mean"])
