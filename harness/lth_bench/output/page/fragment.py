"""Parts of the page as HTML that stands in another document, as in a notebook's cell."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from lth_bench.output.page.content import Part
from lth_bench.output.page.render import environment


def fragment(parts: Sequence[Part], title: str = "", lead: str = "") -> str:
    """Paragraphs and grids with their style, below a title, in one element.

    It has no script, takes the document's colours, light or dark, and its style concerns nothing
    outside of it. Pictures are not among the parts: they need the page's scripts.
    """
    from markupsafe import Markup

    style = files("lth_bench.output.page").joinpath("templates", "fragment.css")
    return environment().get_template("fragment.html").render(
        parts=parts,
        title=title,
        lead=lead,
        style=Markup(style.read_text(encoding="utf-8")),
    )  # fmt: skip
