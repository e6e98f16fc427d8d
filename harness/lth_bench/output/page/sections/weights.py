"""Distributions of the surviving weights, when the ticket starts and after its training."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.evidence.choice import spread
from lth_bench.output.page.content import Choice, Group, Section
from lth_bench.output.page.figure import Axis, Figure, Mark
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.words import left

START = "at the start"


def weights(known: TaskKnown) -> Section | None:
    """A small figure a layer, for the method and density that are chosen."""
    found = known.evidence.weights
    if not found:
        return None
    names = list(dict.fromkeys(one.name for one in found))
    sparse = sorted({one.target_density for one in found if not one.is_dense}, reverse=True)
    densities = spread(sparse, known.budget.densities)
    layers = list(dict.fromkeys(one.layer for one in found))
    figures = []
    for layer in layers:
        marks = []
        for one in found:
            if one.layer != layer or not (one.is_dense or one.target_density in densities):
                continue
            at = -1 if one.is_dense else densities.index(one.target_density)
            for name, counts in ((START, one.start), (one.name, one.end)):
                if sum(counts):
                    x, y = _outline(one.reach, _joined(counts, known.budget.bins))
                    when = (names.index(one.name), at)
                    marks.append(Mark(name, one.control, "stairs", x, y, when=when))
        figures.append(
            Figure(
                layer, Axis("Weight"), Axis("Share of weights", "percent", zero=True), marks,
                about=f"Distribution of the surviving weights of {layer}", height=230,
            )
        )  # fmt: skip
    titles = [left(d) for d in densities]
    choices = [
        Choice("method", names, min(1, len(names) - 1)),
        Choice("weights left, %", titles or ["100"], max(0, len(titles) - 1)),
    ]
    note = (
        "Surviving weights of all seeds, as fractions of the layer's: grey as the training of the "
        "ticket begins, in colour after it."
    )
    group = Group("Distributions of the surviving weights", figures, choices, note, columns=3)
    return Section("weights", "Surviving weights", [group])


def _joined(counts: Sequence[int], bins: int) -> list[float]:
    """Neighbouring bins joined until there are `bins`, as fractions of all."""
    every, total = len(counts) // bins, sum(counts)
    return [sum(counts[i : i + every]) / total for i in range(0, len(counts), every)]


def _outline(reach: float, heights: list[float]) -> tuple[list[float], list[float]]:
    """Middles of the bins and their heights, without the empty bins at either end."""
    width = 2 * reach / len(heights)
    filled = [i for i, height in enumerate(heights) if height > 0]
    first, last = max(0, filled[0] - 1), min(len(heights) - 1, filled[-1] + 1)
    x = [-reach + width * (i + 0.5) for i in range(first, last + 1)]
    return x, heights[first : last + 1]
