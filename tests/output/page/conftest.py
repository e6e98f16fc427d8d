"""Pages of synthetic results, and a reader of their HTML."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import HOSTILE

from lth_bench.analysis.page import gather_report
from lth_bench.output.page import render_page, write_page
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

VOID = {"meta", "link", "br", "input", "img", "hr"}
UNCLOSED = {"td", "th", "tr"}
"""Elements whose end tags the tables leave out."""


class Element:
    """A tag, its attributes, and what is in it."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element | str] = []

    def __getitem__(self, name: str) -> str | None:
        return self.attributes[name]

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def all(self, tag: str, **wanted: str) -> list[Element]:
        """Every descendant of that tag with these attributes (class_ is one of its classes)."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            own = child.attributes
            fits = all(
                value in (own.get("class") or "").split()
                if key == "class_"
                else own.get(key) == value
                for key, value in wanted.items()
            )
            if child.tag == tag and fits:
                found.append(child)
            found += child.all(tag, **wanted)
        return found

    def one(self, tag: str, **wanted: str) -> Element:
        (found,) = self.all(tag, **wanted)
        return found


class Page(HTMLParser):
    """The document as a tree. A tag that is closed wrongly is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(html)
        self.close()
        assert [e.tag for e in self.open] == [""], "an element was never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self._end({"td", "th"}, {"tr"})
        if tag == "tr":
            self._end({"td", "th", "tr"}, {"thead", "tbody"})
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), f"an attribute twice on <{tag}>"
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in UNCLOSED:
            while self.open[-1].tag in UNCLOSED and self.open[-1].tag != tag:
                self.open.pop()
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def _end(self, ended: set[str], within: set[str]) -> None:
        while self.open[-1].tag in ended and self.open[-1].tag not in within:
            self.open.pop()

    @property
    def numbers(self) -> dict[str, Any]:
        """What the page's script draws from."""
        found: dict[str, Any] = json.loads(self.root.one("script", id="numbers").text)
        return found

    def section(self, key: str) -> Element:
        """The first section of that kind."""
        return self.root.all("section", class_=key)[0]

    def rows(self, key: str) -> list[list[str]]:
        """Cells of the body of the first table in a section."""
        body = self.section(key).all("tbody")[0]
        return [
            [cell.text.strip() for cell in row.children if isinstance(cell, Element)]
            for row in body.all("tr")
        ]

    @property
    def headings(self) -> list[str]:
        """Titles of the first task's sections."""
        return [head.text for head in self.root.all("section", class_="task")[0].all("h4")]


@pytest.fixture
def page(results: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Page]:
    """`page(suites, metric, **scenario)`: the page of a run of that scenario, without plotly."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")

    def make(suites: tuple[str, ...] = (), metric: str = "test_accuracy", **options: Any) -> Page:
        return Page(render_page(gather_report(results(**options), suites, metric)))

    return make


@pytest.fixture
def read() -> Callable[[str], Page]:
    return Page


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it, hostile names included."""
    folder = tmp_path_factory.mktemp("browser")
    scenario = RECORDS["Scenario"](
        tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")),
        strategies=("dense", "imp", "one_shot", "snip", "random", "early_bird", HOSTILE),
        densities=(0.5, 0.2, 0.1), controls=("reinit",), weights=True, curve_points=8,
        outcomes={("snip", 1): ("failed", "first line\nsecond <i>line</i>")},
    )  # fmt: skip
    rates = {n: {"params": {HOSTILE: 0.1 * n, "lr": 0.01 * 2**n}, "distributions": {
        HOSTILE: RECORDS["uniform"](0, 2), "lr": RECORDS["uniform"](0.001, 99, log=True),
    }} for n in range(12)}  # fmt: skip
    search = RECORDS["Search"](label=HOSTILE, changes=rates)
    paths = RECORDS["write"](folder / "results.duckdb", scenario, search)
    fold(paths)
    with open_safe(paths) as con:
        return write_page(gather_report(con), folder / "report.html")
