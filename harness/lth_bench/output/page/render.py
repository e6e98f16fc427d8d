"""The page as HTML, and writing it to a file."""

from __future__ import annotations

import base64
import gzip
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.judging import adaptive_legend
from lth_bench.analysis.evidence import Subject
from lth_bench.analysis.measures import ACCURACY, Measure, named_once
from lth_bench.analysis.page import ReportFacts, SuiteReport
from lth_bench.errors import UserError
from lth_bench.output.page import security
from lth_bench.output.page.content import Part, Section, clean, clean_lines
from lth_bench.output.page.payload import HEIGHTS, Payload
from lth_bench.output.page.sections import of_suite, of_task
from lth_bench.output.page.sections.answer import opening
from lth_bench.output.page.sections.summary import overview
from lth_bench.output.pictures import Detail, detail_of
from lth_bench.output.pictures.model import LOST
from lth_bench.output.style import looks
from lth_bench.output.words import counted
from lth_bench.store.metric import ON_TEST_EXAMPLES

if TYPE_CHECKING:
    from jinja2 import Environment

OWN_PACKAGE = "lth_bench.output.page"

TITLE = "Lottery tickets, compared"

SCRIPTS = (
    "link.js",
    "start.js",
    "rove.js",
    "tables.js",
    "charts.js",
    "figures.js",
    "plots.js",
    "library.js",
    "views.js",
    "files.js",
)
"""One script, in this order."""


def default_name(metric: str | None) -> str:
    """The file's name where the user gives none: a page about another metric has one of its own."""
    if metric is None or metric in ("score", ACCURACY.name):
        return "report.html"
    slug = re.sub(r"[^A-Za-z0-9_.]+", "-", metric).strip("-.")
    return f"report-{slug or 'metric'}.html"


def write_page(report: ReportFacts, output: Path) -> Path:
    """Write the report to `output`, over what was there: whole, or not at all.

    A reader who has the old page open reads it whole until the new one is. UserError where the
    file cannot be written.
    """
    check_output(output)
    text = render_page(report)
    half = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        half.write_text(text, encoding="utf-8", newline="\n")
        half.replace(output)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UserError(
            f"cannot write the report to {output}: {error.strerror or error}. Fix this, or name "
            f"another file with --output"
        ) from error
    return output


def check_output(output: Path) -> None:
    """UserError where the page could not be written, before anything is read."""
    if output.is_dir():
        raise UserError(
            f"--output names a folder, {output}; name a file in it, such as "
            f"{output / 'report.html'}"
        )
    if not output.parent.is_dir():
        raise UserError(
            f"--output names the file {output}, but there is no folder {output.parent}; make it, "
            f"or name another file"
        )
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise UserError(
            f"--output names the file {output}, but {output.parent} is not writable; make it so, "
            f"or name another file"
        )


def render_page(report: ReportFacts) -> str:
    """One HTML document that needs nothing else. The same facts give the same text.

    A database in which nothing is planned gives a page that says so.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    style, script = style_sheet(), page_script()
    plotly = security.inline(get_plotlyjs())
    return environment().get_template("page.html").render(
        **page_context(report),
        policy=security.policy([plotly, script], [style]),
        style=Markup(style),
        style_id=security.map_style_id(plotly),
        script=Markup(script),
        plotly=Markup(packed(plotly)),
    ) + "\n"  # fmt: skip


def style_sheet() -> str:
    """As it can stand in a style element."""
    return security.inline(_file("page.css"))


def page_script() -> str:
    """All scripts of a page as one, as it can stand in a script element."""
    code = "\n".join(_file(name) for name in SCRIPTS)
    return security.inline(f"(() => {{\n'use strict';\n{code}}})();")


def page_context(report: ReportFacts) -> dict[str, Any]:
    """What `page.html` shows of a report, but for its scripts and styles."""
    known = report.suites
    detail = detail_of(report.evidence)
    return drawing(report.subjects) | {
        "title": _title(report),
        "finding": _finding(report),
        "tab": " · ".join([*(suite.name for suite in known[:3]), _title(report)]),
        "facts": _facts(report),
        "measures": report.measures,
        "baselines": _baselines(known),
        "adaptive": adaptive_legend(
            s.row for suite in known for task in suite.tasks for s in task.standings
        ),
        "margins": _for_each(report.measures, lambda m: _margins(known, m)),
        "worst": _for_each(report.measures, lambda m: m.worst_words),
        "fractions": any(measure.name in ON_TEST_EXAMPLES for measure in report.measures),
        "early_stops": _early_stops(known),
        "suites": [_suite(i, suite, detail, len(known) == 1) for i, suite in enumerate(known, 1)],
        "tasks": sum(len(suite.tasks) for suite in known),
        "overview": overview(known),
    }


def drawing(subjects: Sequence[Subject]) -> dict[str, Any]:
    """What templates need for figures: they number them, and write the numbers last of all."""
    from markupsafe import Markup

    import lth_bench

    payload = Payload()
    series = looks_of(subjects)
    return {
        "number": payload.add,
        "number_plot": payload.plot,
        "numbers": lambda: Markup(payload.text(series)),  # last, when all groups are in it
        "heights": HEIGHTS,
        "lost": LOST,
        "version": lth_bench.__version__,
    }


@cache
def environment(*others: str) -> Environment:
    """Everything is escaped, control characters are �, and a name that is missing is an error.

    `others` are packages whose templates may use this one's.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return value if isinstance(value, Markup) else clean_lines(value)

    return Environment(
        loader=ChoiceLoader([PackageLoader(p, "templates") for p in (*others, OWN_PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
    )


def _suite(number: int, suite: SuiteReport, detail: Detail, alone: bool) -> dict[str, Any]:
    own = f"s{number}"
    return {
        "id": own,
        "name": suite.name,
        "opening": opening(suite, finding=not alone),
        "tasks": [
            {
                "id": f"{own}-{index}",
                "title": task.name,
                "exact": list(zip(("model", "dataset", "recipe"), task.place.task, strict=True)),
                "sections": _sections(f"{own}-{index}", of_task(task, detail)),
            }
            for index, task in enumerate(suite.tasks, 1)
        ],
        "sections": _sections(own, of_suite(suite)),
    }


def _sections(prefix: str, sections: Sequence[Section]) -> list[dict[str, Any]]:
    return [
        {"id": f"{prefix}-{s.key}", "key": s.key, "title": s.title, "parts": s.parts}
        for s in sections
    ]


def fragment(parts: Sequence[Part], title: str = "", lead: str = "") -> str:
    """Paragraphs and grids with their style, below a title, in one element.

    It has no script, takes the document's colours, light or dark, and its style concerns nothing
    outside of it. Pictures are not among the parts: they need the page's scripts.
    """
    from markupsafe import Markup

    return environment().get_template("fragment.html").render(
        parts=parts,
        title=title,
        lead=lead,
        style=Markup(_file("fragment.css")),
    )  # fmt: skip


def packed(code: str) -> str:
    """Code as the page holds it: gzip in base64, which `library.js` unpacks. The same code gives
    the same text.
    """
    return base64.b64encode(gzip.compress(code.encode(), mtime=0)).decode()


def _title(report: ReportFacts) -> str:
    """The heading; of any metric but the tasks' own with its name."""
    return TITLE if report.asked is None else f"{TITLE} by {report.asked.words}"


def _finding(report: ReportFacts) -> str:
    """What came of the suite, where the page is about one; empty elsewhere."""
    (card, *others) = [suite.card for suite in report.suites] or [None]
    return "" if card is None or others else card.finding


def _facts(report: ReportFacts) -> list[str]:
    """What stands under the title."""
    known = report.suites
    tickets = {s.sample.label for s in report.standings if s.is_ticket}
    if not report.standings:
        return []
    tasks = sum(len(suite.tasks) for suite in known)
    newest = max((run.recorded_at for suite in known for run in suite.runs), default="")
    facts = [
        f"{counted(len(known), 'suite')}, {counted(tasks, 'task')}",
        counted(len(tickets), "method"),
        counted(report.results, "result"),
    ]
    if len(known) == 1 and known[0].card is not None and known[0].card.settled_words:
        facts.insert(0, known[0].card.settled_words)
    if report.measures != [ACCURACY]:
        said = [f"{measure.heading}, {measure.direction}" for measure in report.measures]
        facts.insert(0, f"by {'; '.join(said)}")
    return [*facts, f"last run {newest} UTC"] if newest else facts


def _for_each(measures: Sequence[Measure], words: Callable[[Measure], str]) -> str:
    """What is to be said of a metric; where it differs between several, of which."""
    said: dict[str, list[str]] = {}
    for measure in measures:
        said.setdefault(words(measure), []).append(measure.words)
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in said.items())


def _margins(known: Sequence[SuiteReport], measure: Measure) -> str:
    """The margin of a metric in words; where suites have several, each with its suite."""
    suites: dict[str, dict[str, None]] = {}
    for suite in known:
        for words in (task.words for task in suite.tasks if task.measure == measure):
            suites.setdefault(words.margin + words.unit, {})[suite.name] = None
    if len(suites) < 2:
        return next(iter(suites), measure.margin_words(None, "the baseline"))
    return " or ".join(f"{text} ({', '.join(own)})" for text, own in suites.items())


def _early_stops(known: Sequence[SuiteReport]) -> list[Measure]:
    """The metrics of which tables have the value at early stop, each once."""
    return named_once(
        task.measure for suite in known for task in suite.tasks if task.has_early_stop
    )


def _baselines(known: Sequence[SuiteReport]) -> list[str]:
    """What the verdicts of the page are against, each once: `the dense run`."""
    return sorted({task.against for suite in known for task in suite.tasks})


def looks_of(subjects: Sequence[Subject]) -> dict[str, dict[str, object]]:
    """How each name looks, for the page's script."""
    return {
        clean(name): {
            "light": look.light,
            "dark": look.dark,
            "symbol": look.symbol.removesuffix("-open"),  # the script draws it hollow itself
            "dash": look.dash,
            "hollow": look.open,
        }
        for name, look in looks(subjects).items()
    }


def _file(name: str) -> str:
    return files("lth_bench.output.page").joinpath("templates", name).read_text(encoding="utf-8")
