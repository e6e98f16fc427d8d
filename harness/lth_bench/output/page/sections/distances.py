"""How far the masks of a search are from each other as it goes on: Early-Bird's picture."""

from __future__ import annotations

from lth_bench.analysis.evidence.choice import spread
from lth_bench.output.page.content import Choice, Group, Section
from lth_bench.output.page.figure import Axis, Figure, Heat
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.words import left


def distances(known: TaskKnown) -> Section | None:
    """One matrix, of the method, density and seed that is chosen."""
    found = known.evidence.distances
    if not found:
        return None
    heats = []
    for index, one in enumerate(found):
        at = spread(range(len(one.steps)), known.budget.moments)
        values = [[one.values[i][j] for j in at] for i in at]
        heats.append(Heat([float(one.steps[i]) for i in at], values, when=(index,)))
    figure = Figure(
        "Fraction of the mask that differs between two moments of the search",
        Axis("Step", "steps"),
        Axis("Step", "steps"),
        heats=heats,
        z=Axis("differs", "percent"),
        about="Matrix of distances between the masks at every two steps of the search. "
        "The numbers are in a table below.",
        height=460,
    )
    titles = [f"{one.name} at {left(one.target_density)}%, seed {one.seed}" for one in found]
    note = (
        "Dark is the same mask, bright a different one. The search stops once its latest masks "
        "hardly differ any more, and the ticket is drawn there: the dark square in the last corner."
    )
    thresholds = {one.threshold for one in found} - {None}
    if len(thresholds) == 1:
        (threshold,) = thresholds
        note += f" They count as settled below a distance of {threshold:g}."
    choices = [Choice("search", titles, len(titles) // 2)] if len(titles) > 1 else []
    return Section("distances", "Mask distances", [Group(figure.title, [figure], choices, note)])
