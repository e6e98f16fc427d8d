"""The first page: every suite and task with its best method, every method, and what lies apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lth_bench.analysis.page import TaskReport
from lth_bench.analysis.site import MethodPaper, SiteSuite
from lth_bench.analysis.table import Cell
from lth_bench.output.card import cost_in_words, mean_in_words
from lth_bench.output.page.content import (
    Code,
    Column,
    Grid,
    GridRow,
    LinksCell,
    PageLink,
    Part,
    Prose,
    RowFilter,
    clean,
)
from lth_bench.output.page.sections.answer import COST, delta_cell
from lth_bench.output.site.pages import (
    PageGroup,
    SitePage,
    SuiteName,
    date_of,
    differences,
    hardware_of,
)
from lth_bench.output.site.places import DATA, INDEX, QUERY, Links
from lth_bench.output.words import counted, remaining

APART = "Verdicts are within a database: no number of one is compared with a number of another."


def index_page(
    suites: Sequence[SiteSuite],
    links: Links,
    papers: Mapping[str, MethodPaper],
    *,
    title: str,
    query: bool,
) -> SitePage:
    """What there is, and where."""
    databases = list(dict.fromkeys(one.database for one in suites))
    name = SuiteName(len(databases) > 1)
    groups = [
        PageGroup(
            key="tasks",
            title="Suites and tasks",
            parts=[*_finding(suites), _tasks(suites, links, name)],
        ),
        PageGroup(key="methods", title="Methods", parts=[_methods(suites, links, papers)]),
        PageGroup(key="repeat", title="Repeat a suite", parts=_commands(suites, links, name)),
    ]
    apart = _apart(suites, several=len(databases) > 1)
    if apart:
        groups.append(PageGroup(key="apart", title="What cannot be compared", parts=apart))
    results = sum(one.report.results for one in suites)
    tasks = sum(len(one.suite.tasks) for one in suites)
    facts = [
        f"{counted(len(suites), 'suite')}, {counted(tasks, 'task')}",
        counted(len({label for one in suites for label in one.labels}), "method"),
        counted(results, "result"),
    ]
    if len(databases) > 1:
        facts.insert(0, counted(len(databases), "database"))
    dates = [date_of(one) for one in suites if one.newest is not None]
    if dates:
        facts.append(f"last run {max(dates)} UTC")
    pages = [PageLink("Data and citation", links.to(DATA))]
    if query:
        pages.append(PageLink("Query the data", links.to(QUERY)))
    return SitePage(
        path=INDEX, title=title, kicker="Results", facts=facts, links=pages, groups=groups
    )


def _finding(suites: Sequence[SiteSuite]) -> list[Part]:
    """What came of the suite, where there is only one."""
    cards = [one.suite.card for one in suites]
    return [Prose([clean(card.finding)], "finding") for card in cards if card and len(cards) == 1]


def _tasks(suites: Sequence[SiteSuite], links: Links, name: SuiteName) -> Grid:
    """A row a task: the first method at the headline density, when and on what it ran."""
    rows = []
    for number, one in enumerate(suites):
        for index, task in enumerate(one.suite.tasks, 1):
            best = _best(task, links)
            rows.append(
                GridRow(
                    [
                        LinksCell(text="", links=[links.task(task.place.task, task.name)]),
                        LinksCell(text="", links=[links.suite(one, name(one), f"s1-{index}")]),
                        *best, Cell(date_of(one)), Cell(hardware_of(one)),
                    ],
                    facets=[number],
                    first=index == 1,
                )
            )  # fmt: skip
        if not one.suite.tasks:  # nothing but a search for parameters
            link = LinksCell(text="", links=[links.suite(one, name(one))])
            texts = ["", "tuned only", *[""] * 4]
            rows.append(GridRow([Cell("–"), link, *map(Cell, texts), Cell(date_of(one)),
                                 Cell(hardware_of(one))], facets=[number], first=True))  # fmt: skip
    columns = (
        Column("task", numeric=False),
        Column("suite", numeric=False),
        Column("density %", "weights kept, fixed by the suite, or its middle density"),
        Column("first", "and how many are not shown to be worse than it", numeric=False),
        Column("metric", "its mean over the seeds"),
        Column("Δ", "mean difference to what the suite compares with, seed by seed, ± half of its "
               "95% t-interval"),
        Column("verdict", numeric=False),
        Column("cost", COST),
        Column("date", "of the newest run, UTC", numeric=False),
        Column("hardware", numeric=False),
    )  # fmt: skip
    facets = [RowFilter("suite", [clean(name(one)) for one in suites])] if len(suites) > 1 else []
    return Grid(
        caption="First of each task", columns=columns, rows=rows, facets=facets,
        searched=len(rows) > 12, cards=True,
    )  # fmt: skip


def _best(task: TaskReport, links: Links) -> list[Cell]:
    """Density, method, mean, difference, verdict, cost."""
    card = task.card
    if card is None:
        return [Cell(""), Cell("no method"), *[Cell("")] * 4]
    best = card.best
    if best is None:
        return [Cell(remaining(card.density)), Cell("no result"), *[Cell("")] * 4]
    tied = f" +{len(card.tied)} tied" if card.tied else ""
    link = links.method(best.row["label"], best.name + tied)
    return [
        Cell(remaining(card.density)),
        LinksCell(text="", links=[link], style="best"),
        Cell(mean_in_words(task.measure, best.row, named=True)),
        delta_cell(best.row, task.measure),
        Cell(best.verdict, best.style),
        Cell(cost_in_words(best)),
    ]


def _methods(suites: Sequence[SiteSuite], links: Links, papers: Mapping[str, MethodPaper]) -> Grid:
    first, tied, tasks = (defaultdict[str, int](int) for _ in range(3))
    strategies: dict[str, dict[str, None]] = {}
    for one in suites:
        for setting in one.settings:
            if setting.strategy != "dense":
                strategies.setdefault(setting.label, {})[setting.strategy] = None
        for task in one.suite.tasks:
            for label in {s.sample.label for s in task.tickets}:
                tasks[label] += 1
            if task.card is not None and task.card.best is not None:
                first[task.card.best.row["label"]] += 1
                for row in task.card.tied:
                    tied[row.row["label"]] += 1
    rows = []
    for label in sorted(strategies, key=lambda label: (-first[label], -tied[label], label)):
        own = list(strategies[label])
        cited = dict.fromkeys(papers[name].cited for name in own if name in papers)
        rows.append(
            GridRow([
                LinksCell(text="", links=[links.method(label)]),
                Cell(", ".join(map(clean, own))),
                Cell("; ".join(filter(None, cited))),
                Cell(str(tasks[label])), Cell(str(first[label])), Cell(str(tied[label])),
            ])
        )  # fmt: skip
    columns = (
        Column("method", numeric=False),
        Column("strategy", "what the suites' label runs", numeric=False),
        Column("paper", numeric=False),
        Column("tasks"),
        Column("first", "tasks in which its mean at the headline density is the best"),
        Column("tied", "tasks in which another is first and not shown to be better"),
    )
    return Grid(caption="Every method", columns=columns, rows=rows, searched=len(rows) > 12,
                cards=True)  # fmt: skip


def _commands(suites: Sequence[SiteSuite], links: Links, name: SuiteName) -> list[Part]:
    """A few can be copied here; of many a table, and each suite's page has its own to copy."""
    known = [(one, one.newest) for one in suites if one.newest is not None and one.newest.command]
    if len(known) <= 3:
        return [Code(name(one), run.command) for one, run in known]
    rows = [
        GridRow([
            LinksCell(text="", links=[links.suite(one, name(one), "s1-repeat")]),
            Cell(run.suite_version), Cell(date_of(one)), Cell(hardware_of(one)), Cell(run.command),
        ])
        for one, run in known
    ]  # fmt: skip
    titles = ("suite", "version", "date", "hardware", "command")
    columns = [Column(title, numeric=False) for title in titles]
    return [Grid(caption="The newest run of each suite", columns=columns, rows=rows, cards=True)]


def _apart(suites: Sequence[SiteSuite], several: bool) -> list[Part]:
    parts: list[Part] = [Prose([APART])] if several else []
    groups: dict[str, list[SiteSuite]] = defaultdict(list)
    for one in suites:
        groups[one.name].append(one)
    alike = []
    for suite, those in groups.items():
        where = "its databases" if len(those) > 1 else "its runs"
        found = differences(those, f"{clean(suite)}, by {where}")
        if found:
            parts += found
        elif len(those) > 1:
            alike.append(clean(suite))
    if alike:
        parts.append(
            Prose([f"In all databases alike, as far as it was recorded: {', '.join(alike)}."])
        )
    return parts
