"""Ingredients as a table for each label, and in a sentence which of them matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.notes import MARK
from lth_bench.analysis.compare.lines import Options
from lth_bench.analysis.ingredients.cells import CellPath, ablations, collapsed, reasons
from lth_bench.analysis.ingredients.finding import Ingredient, Kind, ingredients
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.numbers import kept, p_value
from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.errors import NothingSelected
from lth_bench.stats.verdict import LEAST
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
HEADER = ("ingredient", "ablated by", "ticket", "ablated", "difference", "p", "verdict", "n")
SAID: tuple[tuple[str, frozenset[Kind]], ...] = (
    ("what matters", frozenset({"matters"})),
    ("what it is better without", frozenset({"better without"})),
    ("undecided at {seeds}", frozenset({"undecided"})),
    ("without a verdict", frozenset({"failed", "no data"})),
    ("what does not matter (within ±{margin})", frozenset({"does not matter"})),
    ("not tested", frozenset({"skipped"})),
)
"""How ingredients are introduced, by verdict; the first that one of an ingredient's ablations has
is the ingredient's.
"""


def board(
    con: DuckDBPyConnection, against: Baselines, measure: Measure, margin: float | None = None
) -> Board:
    """A card for each label with controls or ablations, at each density; NothingSelected without
    any.
    """
    scope = against.scope
    densities, controls = scope.filters.get("densities"), scope.filters.get("controls")
    tasks = {(task.suite, task.name) for task in scope.tasks.values()}
    there = [
        s for s in samples(con, metric=measure.name, suites=scope.suites, every_seed=True)
        if (s.suite, s.task) in tasks and s.source == s.task
    ]  # fmt: skip
    asked = [
        s for s in there
        if (densities is None or s.target_density in densities)
        and (controls is None or s.control in controls)
    ]  # fmt: skip
    options, gone = Options(measure, margin), collapsed(con)
    found = ingredients(asked, ablations(con), reasons(con), options, gone)
    if not found:
        raise NothingSelected(
            "no ticket has a control or an ablation here, so no ingredient was ablated; add a "
            "strategy to the suite `sanity` (lth-bench run sanity --add NAME"
            f"{scope.results_option}), or `controls` and `ablations` to this suite"
        )
    dense = {
        (s.suite, s.task): s for s in there
        if against.references.get((s.suite, s.model, s.dataset, s.recipe)) == s.label
    }  # fmt: skip
    tables = []
    for place, group in groupby(found, key=_place):
        block = list(group)
        own = against.margin_of(place[0], margin, measure)
        shown = card(block, measure, own, dense.get(place[:2]))
        mark = f" {MARK}" * (place in gone)
        tables.append(replace(shown, title=shown.title + mark))
    rows = [row(x, measure) for x in found]
    words = against.margin_words(measure, margin, "the ticket")
    return Board("leaderboard", rows, tables, _legend(measure, words) + _added_legend(found))


def _place(x: Ingredient) -> CellPath:
    ticket = x.ticket
    return ticket.suite, ticket.task, ticket.name, ticket.target_density


def card(
    found: Sequence[Ingredient], measure: Measure, margin: float | None, dense: Sample | None = None
) -> Table:
    """One label's table at one density; below it, which ingredients matter in a sentence."""
    first = found[0].ticket
    there = [
        (what, sample)
        for what, sample in (("ticket", first), ("dense", dense))
        if sample is not None and sample.values
    ]
    # of suites whose labels have unequal seeds, those that both have
    common = set.intersection(*({*sample.values} for _, sample in there)) if there else set()
    means = [
        f"{what} {measure.value(fmean(sample.values[seed] for seed in common))}"
        for what, sample in there
        if common
    ]
    why: dict[tuple[bool, str], list[str]] = {}
    for x in found:
        if x.reason:
            why.setdefault((x.kind == "skipped", x.reason), []).append(x.by)
    notes = [
        conclusion(found, measure.margin_words(margin, "the ticket")),
        *(f"{', '.join(by)}{' skipped' * gone}: {reason}" for (gone, reason), by in why.items()),
    ]
    title = " · ".join((first.model, first.dataset, first.recipe))
    return Table(
        header=HEADER,
        blocks=[[_line(x, measure) for x in found]],
        title=printable("; ".join([f"{_at(first)}: {title}", *([", ".join(means)] * bool(means))])),
        group=printable(f"{first.suite}: which ingredients matter, {measure.heading}"),
        left=frozenset({0, 1, 6}),
        optional=frozenset({2, 3, 5}),
        notes=tuple(map(printable, notes)),
        about=(first.suite, first.model, first.dataset, first.recipe),
    )


def _at(ticket: Sample) -> str:
    return f"{ticket.label} at {kept(ticket.target_density)}%"


def conclusion(found: Sequence[Ingredient], margin: str) -> str:
    """`imp at 4.67%: what matters: labels; undecided at 5 seeds: signs; not tested: score.`

    An ingredient matters if one of its ablations shows it, and is undecided if one is.
    """
    kinds: dict[str, set[Kind]] = {}
    for x in found:
        kinds.setdefault(x.name, set()).add(x.kind)
    said: dict[str, list[str]] = {}
    for name, of in kinds.items():
        said.setdefault(next(words for words, any_of in SAID if of & any_of), []).append(name)
    seeds = sorted({x.line.verdict.n for x in found if x.kind == "undecided"})
    told = f"{' to '.join(map(str, [*seeds[:1], *seeds[1:][-1:]]))} seed{'s' * (seeds != [1])}"
    parts = [
        f"{words.format(margin=margin, seeds=told)}: {', '.join(said[words])}"
        for words, _ in SAID
        if words in said
    ]
    return f"{_at(found[0].ticket)}: {'; '.join(parts)}."


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


def _added_legend(found: Sequence[Ingredient]) -> str:
    """What lines mean where seeds were added until decided; empty where none were."""
    if all(x.line.verdict.stop is None for x in found):
        return ""
    return (
        " Where seeds were added until decided (undecided 5/30: at 5 of at most 30 pairs of "
        "seeds), a verdict takes p < .0064 at a look, equivalence p < .0072, and differences are "
        "estimates at the stop with the repeated interval."
    )


def _line(x: Ingredient, measure: Measure) -> Line:
    interval, verdict = x.line.interval, x.line.verdict
    difference = "–"
    if interval is not None:
        difference = measure.difference_with_half(interval.mean, interval.high)
    return (
        Cell(x.name),
        Cell(f"{x.by} {MARK}" if x.collapsed else x.by),
        *(Cell("–" if mean is None else measure.value(mean)) for mean in (x.line.a, x.line.b)),
        Cell(difference),
        Cell(p_value(verdict.p)),
        Cell(x.text, STYLES[x.kind], short=x.short),
        Cell(str(verdict.n) if verdict.n == verdict.planned else f"{verdict.n}/{verdict.planned}"),
    )


def _legend(measure: Measure, margin: str) -> str:
    return (
        f"difference: of the tickets with the ingredient ablated to the tickets themselves, paired "
        f"by seed, ± 95% t-interval; {measure.direction}. matters: worse without it; does not "
        f"matter: shown to differ by less than {margin}; "
        f"undecided ~4–7: neither is shown yet, and 4 seeds would settle it in 1 of 2 cases, 7 in "
        f"4 of 5; needs {LEAST}+: no verdict on fewer seeds. Lines are not corrected for multiple "
        f"tests: of 20 without a true difference, about one will show one. suites/README.md says "
        f"what each control and ablation changes."
    )
