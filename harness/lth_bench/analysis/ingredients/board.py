"""Ingredients as a table for each label, and in a sentence which of them matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.compare.lines import Options
from lth_bench.analysis.ingredients.finding import (
    Ingredient,
    Kind,
    ablations,
    ingredients,
    reasons,
)
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.numbers import kept, p_value
from lth_bench.analysis.samples import samples
from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.errors import NothingSelected
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STYLES: Mapping[Kind, Style] = {
    "matters": "good",
    "does not matter": "",
    "better without": "bad",
    "undecided": "warn",
    "failed": "bad",
    "skipped": "dim",
    "no data": "dim",
}
HEADER = (
    "density %", "ingredient", "ablated by", "ticket", "ablated", "difference", "p", "verdict", "n",
)  # fmt: skip


def board(
    con: DuckDBPyConnection, scope: BoardScope, measure: Measure, margin: float | None = None
) -> Board:
    """A table for each label with controls or ablations; NothingSelected without any."""
    densities, controls = scope.filters.get("densities"), scope.filters.get("controls")
    tasks = {(task.suite, task.name) for task in scope.tasks.values()}
    asked = [
        s for s in samples(con, metric=measure.name, suites=scope.suites)
        if (s.suite, s.task) in tasks and s.source == s.task
        and (densities is None or s.target_density in densities)
        and (controls is None or s.control in controls)
    ]  # fmt: skip
    found = ingredients(asked, ablations(con), reasons(con), Options(measure, margin))
    if not found:
        raise NothingSelected(
            "no ticket has a control or an ablation here, so no ingredient was ablated; add a "
            "strategy to the suite `sanity` (lth-bench run sanity --add NAME), or `controls` and "
            "`ablations` to this suite"
        )
    tables = [
        table(list(group), measure, margin)
        for _, group in groupby(found, key=lambda x: (x.ticket.suite, x.ticket.task, x.ticket.name))
    ]
    rows = [row(x, measure) for x in found]
    return Board("leaderboard", rows, tables, _legend(measure, margin))


def table(found: Sequence[Ingredient], measure: Measure, margin: float | None) -> Table:
    """One label's table; below it, which ingredients matter in a sentence a density."""
    first = found[0].ticket
    blocks = [list(group) for _, group in groupby(found, key=lambda x: x.ticket.target_density)]
    notes = [conclusion(block, measure.margin_words(margin, "the ticket")) for block in blocks]
    notes += [f"{x.by}: {x.reason}" for x in found if x.reason and x.kind != "skipped"]
    return Table(
        header=HEADER,
        blocks=[[_line(x, i == 0, measure) for i, x in enumerate(block)] for block in blocks],
        title=printable(f"{first.label}: {first.model} · {first.dataset} · {first.recipe}"),
        group=printable(f"{first.suite}: which ingredients matter, {measure.heading}"),
        left=frozenset({1, 2, 7}),
        optional=frozenset({6}),
        notes=tuple(map(printable, dict.fromkeys(notes))),
    )


def conclusion(block: Sequence[Ingredient], margin: str) -> str:
    """`imp at 4.67%: mask structure and labels matter; within ±0.5 points magnitudes do not; …`

    An ingredient matters if one of its ablations shows it, and is undecided if one is.
    """
    kinds: dict[str, set[Kind]] = {}
    for x in block:
        kinds.setdefault(x.name, set()).add(x.kind)
    said: dict[str, list[str]] = {}
    for name, of in kinds.items():
        said.setdefault(next(words for words, any_of in SAID if of & any_of), []).append(name)
    at = f"{block[0].ticket.label} at {kept(block[0].ticket.target_density)}%"
    parts = [
        f"{words.format(margin=margin)}: {', '.join(said[words])}"
        for words, _ in SAID
        if words in said
    ]
    return f"{at}: {'; '.join(parts)}."


SAID: tuple[tuple[str, frozenset[Kind]], ...] = (
    ("what matters", frozenset({"matters"})),
    ("what it is better without", frozenset({"better without"})),
    ("undecided", frozenset({"undecided", "failed", "no data"})),
    ("what does not matter (within ±{margin})", frozenset({"does not matter"})),
    ("not tested", frozenset({"skipped"})),
)
"""How ingredients with a verdict are introduced; the first that one of its ablations has."""


def row(x: Ingredient, measure: Measure) -> dict[str, Any]:
    """The raw values."""
    verdict, interval = x.line.verdict, x.line.interval
    return {
        "suite": x.ticket.suite,
        "model": x.ticket.model,
        "dataset": x.ticket.dataset,
        "recipe": x.ticket.recipe,
        "strategy": x.ticket.strategy,
        "label": x.ticket.label,
        "target_density": x.ticket.target_density,
        "ingredient": x.name,
        "ablated_by": x.by,
        "metric": measure.name,
        "n": verdict.n,
        "planned": verdict.planned,
        "ticket_mean": x.line.a,
        "ablated_mean": x.line.b,
        "difference": interval and interval.mean,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "p": verdict.p,
        "p_equivalent": verdict.p_equivalent,
        "margin": verdict.margin,
        "verdict": x.kind,
        "verdict_text": x.text,
        "reason": x.reason or None,
    }


def _line(x: Ingredient, first: bool, measure: Measure) -> Line:
    interval, verdict = x.line.interval, x.line.verdict
    difference = short = "–"
    if interval is not None:
        difference = measure.difference_with_half(interval.mean, interval.high)
        short = measure.difference(interval.mean)
    style = STYLES[x.kind]
    return (
        Cell(kept(x.ticket.target_density) if first else "", "strong"),
        Cell(x.name),
        Cell(x.by),
        *(Cell("–" if mean is None else measure.value(mean)) for mean in (x.line.a, x.line.b)),
        Cell(difference, short=short),
        Cell(p_value(verdict.p)),
        Cell(printable(x.text), style, short=x.short),
        Cell(str(verdict.n) if verdict.n == verdict.planned else f"{verdict.n}/{verdict.planned}"),
    )


def _legend(measure: Measure, margin: float | None) -> str:
    better = "higher" if measure.higher else "lower"
    return (
        f"ticket, ablated: means over the seeds that both have; {better} is better. difference: "
        f"ablated − ticket, paired by seed, ± 95% t-interval. matters: the ablated one is shown to "
        f"be worse; does not matter: shown to differ by less than "
        f"{measure.margin_words(margin, 'the ticket')}; undecided: neither is shown, with its 95% "
        f"interval and how many seeds would settle it. Lines are not corrected for multiple tests: "
        f"of 20 without a true difference, about one will show one. `ablated by` is a control or "
        f"an ablation: suites/README.md says what each changes."
    )
