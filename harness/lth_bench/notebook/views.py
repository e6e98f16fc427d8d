"""What a notebook shows besides frames: a suite's card, and figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.card import Card, cards
from lth_bench.analysis.evidence import gather, subjects, task_groups
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import UnknownName, UserError
from lth_bench.output.card import print_card
from lth_bench.output.page.render import fragment
from lth_bench.output.page.sections.answer import at_density, of_card
from lth_bench.output.pictures import FULL, OF_GROUPS, PICTURES, Picture
from lth_bench.output.style import Look, looks
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WIDTH = 100
"""Columns of a card as text."""


class CardView:
    """What came of a suite. In a notebook a table; as text the card that `run` ends with."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def __repr__(self) -> str:
        from rich.console import Console

        out = StringIO()
        print_card(self.card, Console(file=out, width=WIDTH, no_color=True, force_jupyter=False))
        return out.getvalue().rstrip()

    def _repr_html_(self) -> str:
        card = self.card
        (task, *others) = card.tasks
        parts = [] if others else list(at_density(task).parts)
        return fragment([*parts, *of_card(card, finding=False)], card.finding, card.suite)


def card_view(
    con: DuckDBPyConnection, results: Path, suite: str | None, density: float | None
) -> CardView:
    """The card of a suite; None is the first one by name. UserError where there is none."""
    selection = Selection(
        suites=[] if suite is None else [suite],
        densities=[] if density is None else [density],
        results=results,
    )
    found = _cards(con, selection)
    if not found:
        raise UserError(f"{results} has no tickets, so there is nothing to compare; run a suite")
    return CardView(found[0])


def cards_html(con: DuckDBPyConnection, results: Path) -> str:
    """Every suite's card."""
    found = _cards(con, Selection(results=results))
    return "\n".join(CardView(card)._repr_html_() for card in found) or fragment(
        [], "No results yet", str(results)
    )


def _cards(con: DuckDBPyConnection, selection: Selection) -> list[Card]:
    question = Question(selection=selection)
    return cards(con, question, leaderboard(con, question).rows)


def pictures(
    con: DuckDBPyConnection, suite: str | None
) -> tuple[dict[str, dict[str, Picture]], Mapping[str, Look]]:
    """Figures by task and name, and how each method looks in all of them."""
    evidence = gather(con)
    suites = list(dict.fromkeys(one.place.suite for one in evidence))
    if suite is not None and suite not in suites:
        raise UnknownName("suite", suite, suites)
    own = [one for one in evidence if suite in (None, one.place.suite)]
    found: dict[str, dict[str, Picture]] = {}
    for one in own:
        described = [describe(one, FULL) for describe in PICTURES]
        _add(found, "/".join(one.place.task), described)
    for group in task_groups(own):
        _add(found, "/".join(group.parts[1:]), [describe(group) for describe in OF_GROUPS])
    return found, looks(subjects(con))


def _add(
    found: dict[str, dict[str, Picture]], task: str, described: Sequence[Picture | None]
) -> None:
    for picture in described:
        if picture is not None:
            found.setdefault(task, {}).setdefault(picture.key, picture)


class FigureView:
    """A figure of the report, drawn as for papers; what the page lets a reader choose is a small
    multiple.
    """

    def __init__(self, picture: Picture, look: Mapping[str, Look], task: str) -> None:
        self.title, self.task = picture.title, task
        self._picture, self._look = picture, look

    @property
    def svg(self) -> dict[str, str]:
        """The drawings as SVG by name, on white; mostly one."""
        from lth_bench.output.paper import draw, for_paper

        found = {}
        with for_paper():
            for name, figure in draw(self._picture, self._look):
                out = BytesIO()
                figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
                found[name] = out.getvalue().decode()
        return found

    def save(self, folder: str | Path) -> list[Path]:
        """Write the drawings into a folder as SVG, PDF and PNG; the files. UserError where the disk
        refuses.
        """
        from lth_bench.output.paper import draw, for_paper, make_folder, save

        make_folder(Path(folder))
        with for_paper():
            return [
                path
                for name, figure in draw(self._picture, self._look)
                for path in save(figure, Path(folder), name, f"{self.title}: {self.task}")
            ]

    def __repr__(self) -> str:
        return f"{printable(self.title)} of {printable(self.task)}: {', '.join(self.svg)}"

    def _repr_html_(self) -> str:
        from markupsafe import escape

        drawn = "".join(
            f'<img alt="{escape(printable(self.title))}" style="background: #fff; max-width: 100%" '
            f'src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'
            for svg in self.svg.values()
        )
        caption = escape(printable(f"{self.title} · {self.task}"))
        note = escape(printable(self._picture.note))
        return f"<figure><figcaption>{caption}</figcaption>{drawn}<p>{note}</p></figure>"
