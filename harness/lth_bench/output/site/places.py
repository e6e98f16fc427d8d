"""Where each page of a site lies: names that hold on any file system and stay from run to run."""

from __future__ import annotations

import hashlib
import posixpath
import re

from lth_bench.analysis.evidence import Task
from lth_bench.analysis.site import LabelSeed, SiteSuite
from lth_bench.output.page.content import PageLink, clean

INDEX, DATA, QUERY = "index.html", "data/index.html", "query.html"
"""Pages that every site has; the last one only with a copy of DuckDB-WASM."""
STYLE, SCRIPT, PLOTLY = "assets/site.css", "assets/page.js", "assets/plotly.js"
LATER = "assets/later.js"
"""Files that pages share; the last one loads the scripts of a page with figures."""

LONGEST = 60
"""Characters of a name, without its ending."""


class PagePaths:
    """Pages by what they are about. Each keeps its place once it has one."""

    def __init__(self) -> None:
        self._paths: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()

    def suite(self, suite: SiteSuite) -> str:
        """The report's page of a suite; the database tells two of one name apart."""
        return self._place("suites", suite.name, suite.database)

    def task(self, task: Task) -> str:
        """A task, whatever suites and databases it is in."""
        return self._place("tasks", "-".join(task), *task)

    def method(self, label: str) -> str:
        """A label, whatever suites and databases it is in."""
        return self._place("methods", label)

    def search(self, one: LabelSeed, database: str) -> str:
        """The tickets of a label on a task at a seed: named by their configuration."""
        name = f"{one.config_id}-s{one.seed}"
        return self._place("tickets", name, one.place.suite, database)

    def _place(self, folder: str, name: str, *more: str) -> str:
        key = (folder, name, *more)
        if key not in self._paths:
            path = f"{folder}/{_slug(name)}.html"
            if path in self._taken:
                suffix = hashlib.sha256("\0".join(key).encode("utf-8", "replace")).hexdigest()[:8]
                path = f"{folder}/{_slug(name)}-{suffix}.html"
            self._taken.add(path)
            self._paths[key] = path
        return self._paths[key]


class Links:
    """Relative links from one page to others."""

    def __init__(self, page: str, places: PagePaths) -> None:
        self.page, self.places = page, places

    def to(self, path: str, anchor: str = "") -> str:
        """The address of a page or file of the site."""
        found = posixpath.relpath(path, posixpath.dirname(self.page) or ".")
        return f"{found}#{anchor}" if anchor else found

    def suite(self, suite: SiteSuite, text: str = "", anchor: str = "") -> PageLink:
        return self._link(text or suite.name, self.places.suite(suite), anchor)

    def task(self, task: Task, text: str) -> PageLink:
        return self._link(text, self.places.task(task))

    def method(self, label: str, text: str = "") -> PageLink:
        return self._link(text or label, self.places.method(label))

    def search(self, one: LabelSeed, database: str, text: str) -> PageLink:
        return self._link(text, self.places.search(one, database))

    def _link(self, text: str, path: str, anchor: str = "") -> PageLink:
        return PageLink(clean(text), self.to(path, anchor))


def _slug(name: str) -> str:
    """Lower case, since some file systems know no other; never empty, a dot or a device's name."""
    slug = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:LONGEST].strip("-") or "x"
    return f"{slug}-" if slug in ("con", "prn", "aux", "nul") else slug
