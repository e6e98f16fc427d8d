"""The page as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import places, subjects
from lth_bench.errors import UnknownName
from lth_bench.output.page import security
from lth_bench.output.page.content import Section, clean, clean_lines
from lth_bench.output.page.known import SuiteKnown, know, tuned_suites
from lth_bench.output.page.overview import overview
from lth_bench.output.page.payload import Payload
from lth_bench.output.page.sections import OF_SUITES, OF_TASKS
from lth_bench.output.page.words import counted
from lth_bench.output.style import looks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from jinja2 import Environment

TITLE = "Lottery tickets, compared"

SCRIPTS = ("start.js", "tables.js", "charts.js", "figures.js", "plots.js")
"""One script, in this order."""


def render_page(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> str:
    """One HTML document that needs nothing else. The same database gives the same text.

    Without `suites` all of them. UnknownName for one that is not there. A database in which nothing
    is planned gives a page that says so.
    """
    there = {place.suite for place in places(con)} | tuned_suites(con)
    for name in suites:
        if name not in there:
            raise UnknownName("suite", name, there)
    known = know(con, suites)
    return _html(known, _series(con))


def _html(known: Sequence[SuiteKnown], series: dict[str, dict[str, object]]) -> str:
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    import lth_bench

    style = security.inline(_file("page.css"))
    code = "\n".join(_file(name) for name in SCRIPTS)
    script = security.inline(f"(() => {{\n'use strict';\n{code}}})();")
    plotly = security.inline(get_plotlyjs())
    payload = Payload()
    return _environment().get_template("page.html").render(
        number=payload.add,
        number_plot=payload.plot,
        title=TITLE,
        tab=" · ".join([*(suite.name for suite in known[:3]), TITLE]),
        facts=_facts(known),
        version=lth_bench.__version__,
        policy=security.policy([plotly, script], [style]),
        style=Markup(style),
        style_id=security.map_style_id(plotly),
        script=Markup(script),
        plotly=Markup(plotly),
        numbers=lambda: Markup(payload.text(series)),  # last, when all groups are in it
        suites=[_suite(number, suite) for number, suite in enumerate(known, 1)],
        tasks=sum(len(suite.tasks) for suite in known),
        overview=overview(known),
    ) + "\n"  # fmt: skip


@cache
def _environment() -> Environment:
    """Everything is escaped, control characters are �, and a name that is missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return value if isinstance(value, Markup) else clean_lines(value)

    return Environment(
        loader=PackageLoader("lth_bench.output.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
    )


def _suite(number: int, suite: SuiteKnown) -> dict[str, Any]:
    own = f"s{number}"
    return {
        "id": own,
        "name": suite.name,
        "tasks": [
            {
                "id": f"{own}-{index}",
                "title": known.place.task.title,
                "sections": _sections(f"{own}-{index}", (make(known) for make in OF_TASKS)),
            }
            for index, known in enumerate(suite.tasks, 1)
        ],
        "sections": _sections(own, (make(suite) for make in OF_SUITES)),
    }


def _sections(prefix: str, made: Any) -> list[dict[str, Any]]:
    found: list[Section] = [section for section in made if section is not None]
    return [
        {"id": f"{prefix}-{s.key}", "key": s.key, "title": s.title, "parts": s.parts} for s in found
    ]


def _facts(known: Sequence[SuiteKnown]) -> list[str]:
    """What stands under the title."""
    standings = [s for suite in known for task in suite.tasks for s in task.standings]
    if not standings:
        return []
    methods = {s.sample.label for s in standings if s.is_ticket}
    tasks = sum(len(suite.tasks) for suite in known)
    newest = max((run.recorded_at for suite in known for run in suite.runs), default="")
    facts = [
        f"{counted(len(known), 'suite')}, {counted(tasks, 'task')}",
        counted(len(methods), "method"),
        counted(sum(s.row["n"] for s in standings), "result"),
    ]
    return [*facts, f"last run {newest} UTC"] if newest else facts


def _series(con: DuckDBPyConnection) -> dict[str, dict[str, object]]:
    """How each name looks, for the page's script."""
    return {
        clean(name): {
            "light": look.light,
            "dark": look.dark,
            "symbol": look.symbol.removesuffix("-open"),  # the script draws it hollow itself
            "dash": look.dash,
            "hollow": look.open,
        }
        for name, look in looks(subjects(con)).items()
    }


def _file(name: str) -> str:
    return files("lth_bench.output.page").joinpath("templates", name).read_text(encoding="utf-8")
