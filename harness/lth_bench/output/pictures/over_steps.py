"""What happens as training and search go on: learning curves, and distances between masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.evidence import LearningCurve, TaskEvidence
from lth_bench.analysis.evidence.subject import spread
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import (
    MOST_BANDS,
    Axis,
    Facet,
    HeatMap,
    Panel,
    Picture,
    Trace,
    half_widths,
)
from lth_bench.output.pictures.ranges import CUT, NEAR, limits, log_range, scales
from lth_bench.output.words import remaining

NOTE = "The training of the ticket itself, from the step it rewinds to; means over the seeds."
BAND = " The {0}'s 95% interval is drawn as a band while {1} lines or fewer are shown."


def learning(evidence: TaskEvidence, detail: Detail = FULL) -> Picture | None:
    """Loss, and in a report about the task's primary metric or another accuracy also that metric,
    at one density at a time; dense in each.
    """
    curves = [curve for curve in evidence.learning if len(curve.step) > 1]
    if not curves:
        return None
    densities = sorted({c.target_density for c in curves if not c.is_dense}, reverse=True)
    pairs = [
        _traces(
            curve, -1 if curve.is_dense else densities.index(curve.target_density), detail.points
        )
        for curve in curves
    ]
    score, loss = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    first, last = limits([x for t in score for x in t.x], whole=True)
    step = Axis(title="Step", format="steps", range=(max(0.0, first), last))
    losses = log_range((value for t in loss for value in t.y), 1.1)
    about = "against the step, one line a method. The numbers are in a table below."
    panels = [
        Panel(
            title="Validation loss",
            x=step,
            y=Axis(title="Validation loss", format="value", scale="log", range=losses),
            traces=loss,
            about=f"Validation loss {about}",
        ),
    ]
    note = NOTE
    own = evidence.primary
    if evidence.measure == own or (evidence.measure.is_accuracy and own.is_accuracy):
        dense = next((curve.val_score[-1] for curve in curves if curve.is_dense), None)
        # the second half of every curve: their beginnings would flatten it
        settled = [y for c in curves for y in c.val_score[len(c.step) // 2 :]]
        name = own.without_split
        y = scales(score, dense, own, f"Validation {name}", settled)
        panels.insert(
            0,
            Panel(
                title=f"Validation {name}",
                x=step,
                y=y,
                traces=score,
                about=f"Validation {name} {about}",
            ),
        )
        note += BAND.format(name, MOST_BANDS) + CUT * (y[0].choice == NEAR)
    return Picture(
        key="learning-curves",
        title="Learning curves",
        panels=panels,
        facets=density_facet(densities, last=True),
        note=note,
        columns=2,
    )


def distances(evidence: TaskEvidence, detail: Detail = FULL) -> Picture | None:
    """A square a method, density and seed, on one scale of colours: bright is the same mask."""
    found = evidence.distances
    if not found:
        return None
    heats = []
    for index, one in enumerate(found):
        at = spread(range(len(one.steps)), detail.moments)
        values = [[one.values[i][j] for j in at] for i in at]
        steps = [float(one.steps[i]) for i in at]
        heats.append(HeatMap(name=one.name, x=steps, y=steps, z=values, when=(index,)))
    most = max(value or 0.0 for heat in heats for row in heat.z for value in row) or 1.0
    panel = Panel(
        title="Fraction of the mask that differs between two moments of the search",
        x=Axis(title="Step", format="steps"),
        y=Axis(title="Step", format="steps"),
        heats=heats,
        z=Axis(title="Mask distance", format="percent", range=(0.0, most), reverse=True),
        about="Matrix of distances between the masks at every two steps of the search. "
        "The numbers are in a table below.",
        size="square",
    )
    note = (
        "Bright is the same mask, dark a different one. The search stops once its latest masks "
        "hardly differ, and the ticket is taken there: the bright square in the last corner."
    )
    thresholds = {one.threshold for one in found} - {None}
    if len(thresholds) == 1:
        (threshold,) = thresholds
        note += f" Masks count as settled below a distance of {threshold:g}."
    titles = [f"{one.name} at {remaining(one.target_density)}%, seed {one.seed}" for one in found]
    facet = Facet(
        title="search", values=titles, start=len(titles) // 2, spread="wrap", most=len(titles)
    )
    return Picture(
        key="mask-distance", title=panel.title, panels=[panel], facets=[facet], note=note
    )


def density_facet(densities: Sequence[float], *, last: bool = False) -> list[Facet]:
    """Small multiples by density, from dense to sparse; empty where there is only the dense run.

    The page begins with the sparsest (`last`) or with the middle one.
    """
    if not densities:
        return []
    start = len(densities) - 1 if last else len(densities) // 2
    return [
        Facet(
            title="weights remaining", values=[f"{remaining(d)}%" for d in densities], start=start
        )
    ]


def _traces(curve: LearningCurve, when: int, points: int) -> tuple[Trace, Trace]:
    """The metric and the loss, at no more than so many points."""
    at = spread(range(len(curve.step)), points)
    mean = [curve.val_score[i] for i in at]
    score = Trace(
        name=curve.name,
        control=curve.control,
        look="curve",
        x=[curve.step[i] for i in at],
        y=mean,
        reach=half_widths(mean, [curve.high[i] for i in at]),
        n=[curve.n] * len(at),
        when=(when,),
    )
    return score, replace(score, y=[curve.val_loss[i] for i in at], reach=())
