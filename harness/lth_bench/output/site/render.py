"""Pages as HTML: the report's templates and scripts, in files that all pages share."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from lth_bench.analysis.page import ReportFacts
from lth_bench.output.page import security
from lth_bench.output.page.content import PageLink, Part
from lth_bench.output.page.render import (
    drawing,
    environment,
    page_context,
    page_script,
    style_sheet,
)
from lth_bench.output.pictures.model import Picture
from lth_bench.output.site.pages import SitePage
from lth_bench.output.site.places import LATER, PLOTLY, SCRIPT, STYLE, Links

PACKAGE = "lth_bench.output.site"


class SiteFrame:
    """Renders pages, all in one frame."""

    def __init__(self, title: str) -> None:
        from plotly.offline import get_plotlyjs

        self._title = title
        self._plotly = get_plotlyjs()
        self._style_id = security.map_style_id(self._plotly)

    def write_assets(self, folder: Path) -> None:
        """The style sheet and the scripts."""
        own = "\n".join(_file(name) for name in ("record.js",))
        script = page_script().removesuffix("})();") + own + "})();\n"
        texts = {
            STYLE: style_sheet() + _file("site.css"),
            SCRIPT: script,
            PLOTLY: self._plotly,
            LATER: _file("later.js"),
        }
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", newline="\n")

    def suite(
        self, report: ReportFacts, links: Links, trail: Sequence[PageLink], pages: Sequence[Part]
    ) -> str:
        """The report's page of a suite; `pages` is what leads to the other pages."""
        told = page_context(report) | {"pages": pages}
        return self._render("suite.html", links, told, trail=trail, figures=True)

    def page(self, page: SitePage, links: Links, template: str = "site.html", **more: Any) -> str:
        """Any other page."""
        from markupsafe import Markup

        told = drawing(page.subjects) | {
            "title": page.kicker,
            "finding": page.title,
            "tab": f"{page.title} · {self._title}",
            "facts": page.facts,
            "groups": page.groups,
            "suites": (),
            "record": Markup(security.in_script(page.record)),
        }
        return self._render(
            template, links, told, trail=page.links, figures=_has_figures(page), **more
        )

    def _render(
        self, template: str, links: Links, told: dict[str, Any], *, trail: Sequence[PageLink],
        figures: bool, policy: str = "", scripts: Sequence[str] = (),
    ) -> str:  # fmt: skip
        return environment(PACKAGE).get_template(template).render(
            **told,
            to=links.to,
            trail=trail,
            figures=figures,
            site_title=self._title,
            style_file=STYLE,
            script_file=SCRIPT,
            plotly_file=PLOTLY,
            later_file=LATER,
            style_id=self._style_id if figures else "",
            policy=policy or security.site_policy(),
            more_scripts=scripts,
        ) + "\n"  # fmt: skip


def _has_figures(page: SitePage) -> bool:
    parts = [part for group in page.groups for part in group.parts]
    parts += [part for group in page.groups for one in group.sections for part in one.parts]
    return any(isinstance(part, Picture) for part in parts)


def _file(name: str) -> str:
    return files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
