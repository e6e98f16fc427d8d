"""A page of the site as plain data, and what several kinds of pages have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lth_bench.analysis.evidence import Subject
from lth_bench.analysis.site import Apart, LabelSeed, SiteSuite, apart
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import (
    Column,
    Grid,
    GridRow,
    LinksCell,
    PageLink,
    Part,
    Prose,
    ProsePiece,
    Section,
)
from lth_bench.output.site.places import Links


@dataclass(frozen=True, kw_only=True)
class PageGroup:
    """A heading with what stands below it, and sections of their own."""

    key: str
    """Its place in links."""
    title: str
    kind: str = ""
    """What it is: `Suite`."""
    parts: Sequence[Part] = ()
    sections: Sequence[Section] = ()


@dataclass(frozen=True, kw_only=True)
class SitePage:
    """Everything on a page but the frame that all pages share."""

    path: str
    title: str
    kicker: str
    """What kind of page it is."""
    facts: Sequence[str] = ()
    links: Sequence[PageLink] = ()
    """To pages that this one belongs to, after its facts."""
    groups: Sequence[PageGroup] = ()
    subjects: Sequence[Subject] = field(default=())
    """Of its figures."""
    record: str = ""
    """What can be saved of it as JSON, in a few words; empty where nothing can."""


@dataclass(frozen=True)
class SuiteName:
    """How a suite is called beside others."""

    of_several: bool
    """Whether there are several databases."""

    def __call__(self, suite: SiteSuite) -> str:
        return f"{suite.name} ({suite.database})" if self.of_several else suite.name


def date_of(suite: SiteSuite) -> str:
    """The day of its newest run, UTC; a dash where none was recorded."""
    return suite.newest.recorded_at[:10] if suite.newest is not None else "–"


def hardware_of(suite: SiteSuite) -> str:
    """What it ran on: GPUs by name, of a CPU its processor where that was recorded."""
    found = []
    for run in suite.suite.runs:
        told = run.environment.get("cpu")
        found.append(f"CPU, {told}" if run.device == "cpu" and told else run.device or "–")
    return "; ".join(dict.fromkeys(found)) or "–"


def listed_links(words: str, links: Sequence[PageLink]) -> Prose:
    """`Methods: imp, snip.`"""
    pieces: list[ProsePiece] = [words]
    for number, link in enumerate(links):
        pieces += [", "] * bool(number) + [link]
    return Prose([*pieces, "." if links else "none."])


def differences(results: Sequence[SiteSuite], several: str) -> list[Part]:
    """What results of several databases, suites or machines cannot be compared in; `several` names
    them. Empty where nothing differs.
    """
    found = apart([one.made for one in results])
    if not found:
        return []
    return [Prose([f"Not everything here can be compared: {several}."], "warn"), _apart(found)]


def _apart(found: Sequence[Apart]) -> Grid:
    rows = []
    for one in found:
        alone = len(one.values) == 1
        parts = (
            ", ".join(values) if alone else f"{name}: {', '.join(values)}"
            for name, values in one.values.items()
        )
        rows.append(GridRow([Cell(one.what), Cell("; ".join(parts)), Cell(one.consequence)]))
    columns = [Column(title, numeric=False) for title in ("what differs", "values", "so")]
    return Grid(caption="What cannot be compared", columns=columns, rows=rows, cards=True)


def tickets_grid(
    suite: SiteSuite, searches: Iterable[LabelSeed], links: Links, *, by_task: bool
) -> Grid:
    """A row a label, or a task, with a link for each seed to its tickets."""
    names = {task.place.task: task.name for task in suite.suite.tasks}
    rows: dict[tuple[str, str], list[PageLink]] = {}
    status: dict[tuple[str, str], list[str]] = {}
    for one in searches:
        key = (names.get(one.place.task, one.place.task.title), one.name)
        rows.setdefault(key, []).append(links.search(one, suite.database, f"seed {one.seed}"))
        status.setdefault(key, []).extend(end.status for end in one.ends)
    made = []
    for (task, label), found in rows.items():
        ends = status[task, label]
        counts = {word: ends.count(word) for word in dict.fromkeys(ends)}
        said = ", ".join(f"{number:,} {word}" for word, number in counts.items())
        names_ = [task] if by_task else [task, label]
        made.append(GridRow([*map(Cell, names_), Cell(said), LinksCell(text="", links=found)]))
    columns = [
        Column("task", numeric=False), *([] if by_task else [Column("method", numeric=False)]),
        Column("experiments", numeric=False), Column("tickets", numeric=False),
    ]  # fmt: skip
    return Grid(caption="Tickets by seed", columns=columns, rows=made, searched=len(made) > 12)
