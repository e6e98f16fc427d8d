"""What ablating one ingredient does to a ticket: difference, verdict, or why there is none.

Su et al. (2020), "Sanity-checking pruning methods", and Frankle et al. (2021), "Pruning neural
networks at initialization: why are we missing the mark?", ask this of every method.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lth_bench.analysis.compare.lines import Comparison, Options, compare
from lth_bench.analysis.compare.pairs import PairGroup
from lth_bench.analysis.ingredients.cells import CellPath
from lth_bench.analysis.samples import Sample
from lth_bench.stats.verdict import LEAST, outlook, short_outlook

INGREDIENTS: Mapping[str, str] = {
    "shuffle": "mask structure",
    "random_layers": "mask structure",
    "moved_values": "mask structure",
    "shuffle_global": "whole mask",
    "reinit": "values",
    "reinit_at_rewind": "values",
    "scratch_e": "values",
    "reinit_same_signs": "magnitudes",
    "random_signs": "signs",
    "half_data": "data",
    "shuffled_pixels": "data",
    "random_labels": "labels",
    "inverted_score": "score",
}
"""By control or ablation: what the ticket lacks under it, in the order of the table."""

Kind = Literal[
    "matters", "does not matter", "better without", "undecided", "failed", "skipped", "no data"
]


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """A ticket against the same with one ingredient ablated, at one density."""

    by: str
    """The control or ablation."""
    ticket: Sample
    ablated: Sample
    line: Comparison
    """The ablated one (B) compared with the ticket (A)."""
    reason: str = ""
    """Why it was skipped, or what was ablated only in part."""
    collapsed: bool = False
    """Whether a layer, or every path, of some ablated ticket is gone."""

    @property
    def name(self) -> str:
        """What is ablated."""
        return INGREDIENTS[self.by]

    @property
    def kind(self) -> Kind:
        """The verdict. A difference that is shown to lie within the margin does not matter, even
        where it is shown not to be zero.
        """
        verdict = self.line.verdict
        if _all_skipped(self.ablated) or _all_skipped(self.ticket):
            return "skipped"
        if verdict.kind == "failed":
            return "failed"
        if self.line.interval is None:
            return "no data"
        if verdict.kind != "insufficient" and verdict.within:
            return "does not matter"
        if verdict.kind == "worse":
            return "matters"
        return "better without" if verdict.kind == "better" else "undecided"

    @property
    def text(self) -> str:
        """The verdict in words; the interval and the reason stand beside it."""
        verdict = self.line.verdict
        if self.kind == "failed":
            if self.line.lost_a:
                return f"the ticket itself lost {len(self.line.lost_a)} of {verdict.planned} seeds"
            return f"without it {len(self.line.lost_b)} of {verdict.planned} seeds are lost"
        if self.kind != "undecided":
            return self.kind
        seeds = f"undecided at {verdict.n} seed{'s' * (verdict.n != 1)}"
        if verdict.kind == "insufficient":
            return f"{seeds}, needs {LEAST}+"
        if verdict.signs is not None:
            return f"{seeds} (sign test)"
        if verdict.stop is not None:
            return f"undecided ({verdict.stop.at} of {verdict.stop.maximum} seeds)"
        return f"{seeds}; {outlook(verdict.n, verdict.forecast)}"

    @property
    def short(self) -> str:
        """The same for a narrow terminal."""
        verdict = self.line.verdict
        if self.kind != "undecided" or verdict.signs is not None:
            return self.kind
        if verdict.kind == "insufficient":
            return f"needs {LEAST}+"
        if verdict.stop is not None:
            return f"undecided {verdict.stop.at}/{verdict.stop.maximum}"
        return f"undecided {short_outlook(verdict.n, verdict.forecast)}"


def ingredients(
    cells: Iterable[Sample],
    ablated: Mapping[tuple[str, str], tuple[str, str]],
    why: Mapping[CellPath, str],
    options: Options,
    gone: Container[CellPath] = (),
) -> list[Ingredient]:
    """What the cells of samples say, by label, from dense to sparse.

    Args:
        cells: Of any suites and tasks, tickets and controls, all of one metric.
        ablated: By (suite, label): the label that it is an ablation of, and the ablation.
        why: By cell, the reasons that its rows give.
        options: Metric and margin.
        gone: The cells with collapsed tickets.
    """
    by_cell = {(s.suite, s.task, s.name, s.target_density): s for s in cells}
    place = list(INGREDIENTS).index
    found = []
    for (suite, task, name, density), sample in by_cell.items():
        label, by = (sample.label, sample.control)
        if by == "none":
            label, by = ablated.get((suite, label), (label, "none"))
        ticket = by_cell.get((suite, task, label, density))
        if by not in INGREDIENTS or ticket is None:
            continue
        without = _all_skipped(ticket)
        group = PairGroup(
            suite=suite, model=ticket.model, dataset=ticket.dataset, recipe=ticket.recipe,
            name="", pairs={density: (ticket, sample)}, only_a=(), only_b=(),
        )  # fmt: skip
        found.append(
            Ingredient(
                by=by,
                ticket=ticket,
                ablated=sample,
                line=compare(group, options)[0],
                reason=why.get((suite, task, label if without else name, density), ""),
                collapsed=(suite, task, name, density) in gone,
            )
        )
    return sorted(
        found,
        key=lambda x: (
            x.ticket.suite, x.ticket.task, x.ticket.name, -x.ticket.target_density, place(x.by),
        ),
    )  # fmt: skip


def _all_skipped(sample: Sample) -> bool:
    return bool(sample.skipped) and not (sample.values or sample.lost or sample.missing)
