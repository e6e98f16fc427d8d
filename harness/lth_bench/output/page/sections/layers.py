"""Where each method leaves the weights: kept fraction per layer."""

from __future__ import annotations

from lth_bench.output.page.content import Choice, Group, Section
from lth_bench.output.page.figure import Axis, Figure, Mark
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.words import left


def layers(known: TaskKnown) -> Section | None:
    """One figure a density: a line a method, from input to output."""
    found = known.evidence.kept
    if not found:
        return None
    names = list(dict.fromkeys(layer for one in found for layer in one.layers))
    densities = sorted({one.target_density for one in found}, reverse=True)
    marks = []
    for one in found:
        at = densities.index(one.target_density)
        x = [float(names.index(layer)) for layer in one.layers]
        marks.append(Mark(one.name, one.control, "line", x, one.kept, when=(at,)))
    empty = any(kept == 0 for one in found for kept in one.kept)
    figure = Figure(
        "Weights kept in each layer",
        Axis("Layer, from input to output", scale="names", names=names),
        Axis("Weights kept", "percent", "log"),
        marks,
        about="Fraction of weights kept in each layer, a line a method. The numbers are in a "
        "table below.",
        height=360,
    )
    note = "Means over the seeds."
    if empty:
        note += " A layer that keeps nothing has no point on this scale."
    choices = [Choice("weights left in all, %", [left(d) for d in densities], len(densities) // 2)]
    return Section("layers", "Layer by layer", [Group(figure.title, [figure], choices, note)])
