"""Writes a site: gathers each database, and renders its pages into a folder."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_bench.analysis.evidence import Task
from lth_bench.analysis.page import TaskReport
from lth_bench.analysis.site import LabelSeed, SiteSuite, gather_database, papers
from lth_bench.output.page.content import PageLink, Part, Prose, clean
from lth_bench.output.site.data import Citation, data_page, write_citation
from lth_bench.output.site.index import index_page
from lth_bench.output.site.method import method_page
from lth_bench.output.site.pages import SuiteName, differences, listed_links, tickets_grid
from lth_bench.output.site.places import DATA, INDEX, QUERY, Links, PagePaths
from lth_bench.output.site.query import QueryFiles, query_page
from lth_bench.output.site.render import SiteFrame
from lth_bench.output.site.task import task_page
from lth_bench.output.site.tickets import search_page
from lth_bench.plugins import Registry
from lth_bench.store.public import checksum, publish, write_sums, write_tables
from lth_bench.store.reading import reading


@dataclass(frozen=True)
class Database:
    """Results to show."""

    results: Path
    name: str
    """As the site calls it: letters, digits and hyphens."""


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """What a user may choose."""

    title: str = "Lottery tickets, compared"
    authors: Sequence[str] = ()
    suites: Sequence[str] = ()
    """Only these; all by default."""
    hosts: bool = False
    """Whether host names and paths are shown."""
    query: QueryFiles | None = None
    """A copy of DuckDB-WASM for a page of queries."""
    plugins: Registry | None = None
    """Where strategies' descriptions are read; by default from those that are installed."""


@dataclass(frozen=True, kw_only=True)
class SiteSummary:
    """What was written."""

    pages: int
    files: int
    bytes: int


def write_site(
    databases: Sequence[Database],
    folder: Path,
    options: SiteOptions,
    note: Callable[[str], None] | None = None,
) -> SiteSummary:
    """Write every page and file into an empty folder. The same results give the same files.

    UserError for results that cannot be read or have none, before a page is written of them.
    """
    import lth_bench

    data = folder / "data"
    data.mkdir()
    suites: list[SiteSuite] = []
    site = _Site(folder, options)
    for one in databases:
        public = publish(one.results, data, one.name, suites=options.suites, hosts=options.hosts)
        write_tables(public, data, note)
        with reading(public.database, note) as con:
            found = gather_database(con, one.name, public.schema_version)
        suites += found
    site.write(suites)
    newest = max((one.newest.recorded_at for one in suites if one.newest is not None), default="")
    citation = Citation(
        title=options.title, authors=options.authors, released=newest[:10],
        version=lth_bench.__version__,
    )  # fmt: skip
    write_citation(data, citation)
    write_sums(data)
    site.write_data(suites, citation)
    if options.query is not None:
        site.write_query(suites, options.query)
    files = [file for file in folder.rglob("*") if file.is_file()]
    return SiteSummary(
        pages=sum(file.suffix == ".html" for file in files),
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
    )


class _Site:
    """The pages of a site as they are written."""

    def __init__(self, folder: Path, options: SiteOptions) -> None:
        self._folder, self._options = folder, options
        self._places = PagePaths()
        self._frame = SiteFrame(options.title)
        self._frame.write_assets(folder)

    def write(self, suites: Sequence[SiteSuite]) -> None:
        """All pages that are about results."""
        several = len({one.database for one in suites}) > 1
        name = SuiteName(several)
        for suite in suites:  # names that stay: suites first, in their order
            self._places.suite(suite)
        for suite in suites:
            self._suite(suite, suites, name)
            for one in suite.searches:
                self._search(one, suite, name)
        told = papers({s.strategy for one in suites for s in one.settings}, self._options.plugins)
        links = self._links(INDEX)
        page = index_page(
            suites, links, told, title=self._options.title, query=self._options.query is not None
        )
        self._save(INDEX, self._frame.page(page, links))
        tasks: dict[Task, list[tuple[SiteSuite, TaskReport]]] = defaultdict(list)
        for suite in suites:
            for task in suite.suite.tasks:
                tasks[task.place.task].append((suite, task))
        for task_, found in tasks.items():
            links = self._links(self._places.task(task_))
            self._save(links.page, self._frame.page(task_page(task_, found, links, name), links))
        for label in dict.fromkeys(label for suite in suites for label in suite.labels):
            links = self._links(self._places.method(label))
            those = [one for one in suites if label in one.labels]
            page = method_page(label, those, links, told, name)
            self._save(links.page, self._frame.page(page, links))

    def write_data(self, suites: Sequence[SiteSuite], citation: Citation) -> None:
        """The page of what lies in `/data`, which is there already."""
        folder = self._folder / "data"
        sums = {f"{one.database}.duckdb": "" for one in suites}
        sums = {file: checksum(folder / file) for file in sums}
        links = self._links(DATA)
        page = data_page(folder, suites, links, citation, sums, hosts=self._options.hosts)
        self._save(DATA, self._frame.page(page, links))

    def write_query(self, suites: Sequence[SiteSuite], given: QueryFiles) -> None:
        """The page of queries, with the files that it needs."""
        place = self._folder / "duckdb"
        place.mkdir()
        for name, file in given.files.items():
            shutil.copyfile(file, place / name)
        links = self._links(QUERY)
        names = list(dict.fromkeys(one.database for one in suites))
        self._save(QUERY, query_page(self._frame, links, names, self._folder))

    def _suite(self, suite: SiteSuite, suites: Sequence[SiteSuite], name: SuiteName) -> None:
        links = self._links(self._places.suite(suite))
        trail = [PageLink(clean(name(suite)), links.to(links.page))]
        same = [one for one in suites if one.name == suite.name]
        pages: list[Part] = [
            listed_links("Methods: ", [links.method(label) for label in suite.labels]),
            listed_links("Tasks: ", [links.task(t.place.task, t.name) for t in suite.suite.tasks]),
        ]
        others = [one for one in same if one is not suite]
        if others:
            pages.append(listed_links("The same suite elsewhere: ",
                                 [links.suite(one, name(one)) for one in others]))  # fmt: skip
        pages += differences(same, "the results of this suite")
        pages.append(tickets_grid(suite, suite.searches, links, by_task=False))
        files = PageLink("to be saved", links.to(DATA))
        pages.append(Prose(["All of this is in files ", files, "."], "quiet"))
        self._save(links.page, self._frame.suite(suite.report, links, trail, pages))

    def _search(self, one: LabelSeed, suite: SiteSuite, name: SuiteName) -> None:
        names = {task.place.task: task.name for task in suite.suite.tasks}
        links = self._links(self._places.search(one, suite.database))
        task = names.get(one.place.task, one.place.task.title)
        page = search_page(one, suite, task, links, name)
        self._save(links.page, self._frame.page(page, links))

    def _links(self, page: str) -> Links:
        return Links(page, self._places)

    def _save(self, page: str, text: str) -> None:
        file = self._folder / page
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
