"""A method's page: all its tasks, its parameters and code, its paper, its tickets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lth_bench.analysis.boards.layout import place, seeds
from lth_bench.analysis.card import CardRow, TaskCard
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.page import Standing, TaskReport
from lth_bench.analysis.site import MethodPaper, SiteSuite
from lth_bench.analysis.table import Cell
from lth_bench.output.card import cost_in_words, mean_in_words
from lth_bench.output.page.content import (
    Column,
    Grid,
    GridRow,
    LinksCell,
    Name,
    PageLink,
    Part,
    Prose,
    ProsePiece,
    RowFilter,
    clean,
    verdict_cell,
)
from lth_bench.output.page.sections.answer import COST, delta_cell, drawn_cell, scale_over
from lth_bench.output.site.pages import PageGroup, SitePage, SuiteName, differences, tickets_grid
from lth_bench.output.site.places import Links
from lth_bench.output.site.task import task_link
from lth_bench.output.words import counted, remaining
from lth_bench.params import show

UNKNOWN_HERE = "Its strategy is not installed where this site was made: no description is known."

TaskOfSuite = tuple[SiteSuite, TaskReport]
"""A suite with the report of one of its tasks."""


def method_page(
    label: str,
    suites: Sequence[SiteSuite],
    links: Links,
    papers: Mapping[str, MethodPaper],
    name: SuiteName,
) -> SitePage:
    """`suites` are those that have the label."""
    found = [
        (suite, task)
        for suite in suites
        for task in suite.suite.tasks
        if any(s.sample.label == label for s in task.tickets)
    ]
    strategies = dict.fromkeys(
        setting.strategy for one in suites for setting in one.settings if setting.label == label
    )
    known = [papers[one] for one in strategies if one in papers]
    parts: dict[str, list[Part]] = {
        "At the headline density": [_tasks(label, found, links, name)],
        "At every density": [_densities(label, found, links, name)],
        "What it is": _about(known),
        "Parameters and code": [_settings(label, suites, links, name)],
    }
    groups = [
        PageGroup(key=title.lower().replace(" ", "-"), title=title, parts=own)
        for title, own in parts.items()
    ]
    for number, suite in enumerate(suites, 1):
        own = [one for one in suite.searches if one.label == label]
        if own:
            title = f"Tickets in {clean(name(suite))}"
            groups.append(
                PageGroup(key=f"tickets-{number}", title=title,
                          parts=[tickets_grid(suite, own, links, by_task=True)])
            )  # fmt: skip
    apart = differences(suites, "the results of this method") if len(suites) > 1 else []
    if apart:
        groups.append(PageGroup(key="apart", title="What cannot be compared", parts=apart))
    facts = [f"strategy {clean(', '.join(strategies))}", *(one.cited for one in known if one.cited)]
    facts.append(f"{counted(len(found), 'task')}, {counted(len(suites), 'suite')}")
    return SitePage(
        path=links.page, title=clean(label), kicker="Method", facts=facts, groups=groups
    )


def _about(known: Sequence[MethodPaper]) -> list[Part]:
    parts: list[Part] = []
    for one in known:
        parts += [Prose([clean(paragraph)]) for paragraph in one.about]
        end: list[ProsePiece] = [f"As its strategy says in {clean(one.package)}: ",
                                 Name(clean(one.strategy)), "."]  # fmt: skip
        if one.links:
            end += [" Paper: "]
            for number, address in enumerate(one.links):
                end += [", "] * bool(number) + [PageLink(clean(address), address)]
            end += ["."]
        parts.append(Prose(end, "quiet"))
    if not known:
        parts.append(Prose([UNKNOWN_HERE], "quiet"))
    return parts


def _tasks(label: str, found: Sequence[TaskOfSuite], links: Links, name: SuiteName) -> Grid:
    """A row a task, at the density that its suite fixes."""
    rows = [
        (suite, task, task.card, row)
        for suite, task in found
        if task.card is not None
        for row in task.card.rows
        if row.row["label"] == label
    ]
    one = rows and all(task.measure == rows[0][1].measure for _, task, _, _ in rows)
    scale = scale_over(rows[0][1].measure, [row.row for *_, row in rows]) if one else None
    made = [
        GridRow([
            *_where(suite, task, links, name),
            Cell(remaining(card.density)),
            *_result(card, row, task.measure),
            drawn_cell(row.row, scale) if scale is not None else Cell(""),
            Cell(row.verdict, row.style),
            Cell(cost_in_words(row)),
        ])
        for suite, task, card, row in rows
    ]  # fmt: skip
    columns = (
        Column("task", numeric=False),
        Column("suite", numeric=False),
        Column("density %", "weights kept, fixed by the suite, or its middle density"),
        Column("#", "place among the methods of the task; = is tied with the best", ascending=True),
        Column("metric", "its mean over the seeds"),
        Column("seeds", "with a result"),
        Column("Δ", "mean difference to what the suite compares with, seed by seed, ± half of its "
               "95% t-interval"),
        Column("better →", "the difference drawn", numeric=False),
        Column("verdict", numeric=False),
        Column("cost", COST),
    )  # fmt: skip
    return Grid(caption="Its tasks", columns=columns, rows=made, cards=True)


def _result(card: TaskCard, row: CardRow, measure: Measure) -> list[Cell]:
    ranked = sum(1 for one in card.rows if one.row["rank"] is not None)
    where = place(row.row)
    return [
        Cell(f"{where} of {ranked}" if where else ""),
        Cell(mean_in_words(measure, row.row, named=True)),
        Cell(seeds(row.row)),
        delta_cell(row.row, measure),
    ]


def _densities(label: str, found: Sequence[TaskOfSuite], links: Links, name: SuiteName) -> Grid:
    rows = []
    for number, (suite, task) in enumerate(found):
        cards = [] if task.card is None else [task.card, *task.card.elsewhere]
        short = {
            card.density: Cell(row.verdict, row.style)
            for card in cards for row in card.rows if row.row["label"] == label
        }  # fmt: skip
        own = [s for s in task.standings if s.sample.label == label]
        for index, standing in enumerate(own):
            rows.append(
                GridRow(
                    [*_where(suite, task, links, name), *_standing(standing, task, short)],
                    facets=[number],
                    first=index == 0,
                    style="" if standing.is_ticket else "dim",
                )
            )
    titles = [f"{clean(task.name)}, {clean(name(suite))}" for suite, task in found]
    columns = (
        Column("task", numeric=False),
        Column("suite", numeric=False),
        Column("ticket", "or a control of it", numeric=False),
        Column("density %", "weights kept"),
        Column("#", "place at this density", ascending=True),
        Column("metric", "its mean over the seeds"),
        Column("seeds"),
        Column("Δ", "mean difference to what the suite compares with"),
        Column("verdict", numeric=False),
    )
    return Grid(
        caption="Its densities and controls", columns=columns, rows=rows,
        facets=[RowFilter("task", titles)] if len(titles) > 1 else [], cards=True,
    )  # fmt: skip


def _standing(standing: Standing, task: TaskReport, short: Mapping[float, Cell]) -> list[Cell]:
    """`short` are tickets' verdicts by density, as cards say them."""
    row = standing.row
    verdict = short.get(standing.density) if standing.is_ticket else None
    return [
        Cell(standing.name),
        Cell(remaining(standing.density)),
        Cell(place(row)),
        Cell(mean_in_words(task.measure, row, named=True)),
        Cell(seeds(row)),
        delta_cell(row, task.measure),
        verdict or verdict_cell(row),
    ]


def _where(suite: SiteSuite, task: TaskReport, links: Links, name: SuiteName) -> list[Cell]:
    index = 1 + next(i for i, one in enumerate(suite.suite.tasks) if one is task)
    return [
        LinksCell(text="", links=[task_link(links, task)]),
        LinksCell(text="", links=[links.suite(suite, name(suite), f"s1-{index}")]),
    ]


def _settings(label: str, suites: Sequence[SiteSuite], links: Links, name: SuiteName) -> Grid:
    rows = []
    for suite in suites:
        spoken = {task.place.task: task.name for task in suite.suite.tasks}
        for one in suite.settings:
            if one.label == label:
                tasks = ", ".join(spoken.get(task, " on ".join(task[:2])) for task in one.tasks)
                params = ", ".join(f"{key} = {show(value)}" for key, value in one.params.items())
                rows.append(
                    GridRow([
                        LinksCell(text="", links=[links.suite(suite, name(suite))]),
                        Cell(tasks), Cell(clean(one.strategy)),
                        Cell((clean(params) or "defaults") + " (tuned)" * one.tuned),
                        Cell(one.source_hash[:12] or "–"), Cell(one.plugin_version or "–"),
                    ])
                )  # fmt: skip
    titles = ("suite", "tasks", "strategy", "parameters", "source hash", "package version")
    columns = [Column(title, numeric=False) for title in titles]
    return Grid(caption="Parameters that are not at their defaults, and the code that ran",
                columns=columns, rows=rows, cards=True)  # fmt: skip
