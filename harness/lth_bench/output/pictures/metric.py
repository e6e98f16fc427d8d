"""The metric of the report against density and against cost, and the early-stop step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, groupby

from lth_bench.analysis.evidence import Metric, Series, TaskEvidence
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import Axis, Facet, Panel, Picture, Trace, half_widths
from lth_bench.output.pictures.ranges import (
    CUT,
    NEAR,
    density_axis,
    dodges,
    log_range,
    of_traces,
    scales,
)

DENSITY_NOTE = (
    "Means over the seeds that ended ok, with 95% t-intervals; points of one density are drawn "
    "slightly apart. The long-dashed line and its band are the dense run, which has all weights."
)
HULL_NOTE = " That is the null here: two dense networks from different initial values."
EARLY_STOP_NOTE = " Early stop is the step of minimum validation loss."

REWINDING_NOTE = (
    "Left the trained values that a mask was chosen by, under that mask: of iterative methods "
    "those of the round before, of one-shot those of the dense run. Right the same masks, rewound "
    "and trained. "
)

FRONT = "Pareto front"

COST_NOTE = (
    " and to the left is better. A line joins the densities of a method. FLOPs are of finding and "
    "training the ticket, assuming that pruned weights cost nothing, without sharing between "
    "methods. The broad grey line joins what nothing else beats in both; a method is not on it "
    "where it lost a seed."
)

BELOW = "The numbers are in a table below."


def against_density(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """The metric; of the task's primary one also that at the minimum of the validation loss."""
    known = evidence.measure
    # metric, name of the file, what readers choose it by, title
    plans = [(known.name, _slug(known), "after the last step", known.title)]
    is_primary = known == evidence.primary
    if is_primary:
        early = ("early_stop_score", f"{_slug(known)}-early-stop", "at early stop")
        plans.append((*early, f"{known.title} at early stop"))
    found = [
        (traces_of(evidence, metric), key, choice, title)
        for metric, key, choice, title in plans
        if evidence.density[metric]
    ]
    if not found:
        return None
    panels = []
    for index, (traces, key, _choice, title) in enumerate(found):
        dense = next((t.y[0] for t in traces if t.look == "level"), None)
        lines = len(traces)
        traces = [*traces, *_at_full_density(traces)]
        panels.append(
            Panel(
                title=f"{title} against density",
                x=density_axis([*densities_of(evidence), *[1.0] * (len(traces) > lines)]),
                y=scales(traces, dense, known, title),
                traces=traces,
                ends_named=True,
                about=f"{title} against the fraction of weights remaining, {lines} lines. {BELOW}",
                size="large",
                when=(index,),
                key=key,
            )
        )
    choices = {axis.choice for panel in panels for axis in panel.scales}
    facet = Facet(title=known.short, values=[choice for *_, choice, _ in found], spread="page")
    note = _better(known) + DENSITY_NOTE + HULL_NOTE * (known.name == "hull_distance")
    note += EARLY_STOP_NOTE * is_primary + CUT * (NEAR in choices) + _bounds(evidence)
    return Picture(
        key=_slug(known),
        title=f"{_heading(known)} against density",
        panels=_of_equal_scales(panels),
        facets=[facet] if is_primary else [],
        panels_are="files",
        note=note,
    )


def before_rewinding(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """The trained network under the next mask, beside the tickets and the dense network."""
    pruned = evidence.density.get("pruned_accuracy")
    if not pruned or evidence.measure != ACCURACY:
        return None
    names = {line.name for line in pruned}
    trained = [t for t in traces_of(evidence, ACCURACY.name) if t.name in names]
    dense = [t for t in traces_of(evidence, ACCURACY.name) if t.look == "level"]
    before = traces_of(evidence, "pruned_accuracy")
    ends = of_traces([*before, *trained, *dense], (0.0, 1.0), whole=True)
    panels = [
        Panel(
            title=title,
            x=density_axis(densities_of(evidence)),
            y=Axis(title="Test accuracy", format="percent", range=ends),
            traces=[*dense, *lines],
            about=f"{title}: test accuracy against the fraction of weights remaining. {BELOW}",
            key=key,
        )
        for title, lines, key in (
            ("Pruned, before rewinding", before, "pruned"),
            ("Rewound and trained", trained, "trained"),
        )
    ]
    return Picture(
        key="before-rewinding",
        title="Before rewinding and after training",
        panels=panels,
        panels_are="columns",
        note=REWINDING_NOTE + DENSITY_NOTE,
        columns=2,
    )


def against_cost(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """A line a method, from its densest ticket to its sparsest, and what nothing beats in both."""
    points = [point for point in evidence.pareto if point.x > 0]
    if not points:
        return None
    known = evidence.measure
    traces = []
    for name, group in groupby(points, key=lambda p: p.name):
        own = list(group)
        mean = [p.mean for p in own]
        traces.append(
            Trace(
                name=name,
                control="none",
                look="line",
                x=[p.x for p in own],
                y=mean,
                reach=half_widths(mean, [p.high for p in own]),
                n=[p.n for p in own],
                more=[p.target_density for p in own],
            )
        )
    dense = next((p.mean for p in points if p.is_dense), None)
    y = scales(traces, dense, known, known.title)
    ends = log_range(p.x for p in points)
    front = sorted((p.x, p.mean) for p in points if p.on_front)
    if front:
        # to the right edge: at any higher cost, the last of the front is still the best there is
        x, best = zip(*front, (ends[1], front[-1][1]), strict=True)
        traces.insert(0, Trace(name=FRONT, control="none", look="front", x=x, y=best))
    panel = Panel(
        title=f"{_heading(known)} against the FLOPs of search and training",
        x=Axis(
            title="FLOPs of search and training, relative to dense",
            format="ratio",
            scale="log",
            range=ends,
        ),
        y=y,
        traces=traces,
        more=Axis(title="Weights remaining", format="percent"),
        about=f"{known.title} against training cost, one point a method and density. {BELOW}",
        size="large",
    )
    note = ("Up" if known.higher else "Down") + COST_NOTE + CUT * (y[0].choice == NEAR)
    note += _bounds(evidence)
    key = "cost" if known == ACCURACY else f"cost-{_slug(known)}"
    return Picture(key=key, title=f"{_heading(known)} against cost", panels=[panel], note=note)


def _bounds(evidence: TaskEvidence) -> str:
    """Of which points the true mean is only known to be larger."""
    said = evidence.bounds
    return f" {said[:1].upper()}{said[1:]}." if said else ""


def _better(known: Measure) -> str:
    """Which way is better, where that is not up: of accuracies and other fractions it is known."""
    return "" if known.higher and known.is_fraction else f"{known.direction.capitalize()}. "


def _heading(known: Measure) -> str:
    """The metric in a title; test accuracy is simply accuracy."""
    return "Accuracy" if known == ACCURACY else known.title


def _slug(known: Measure) -> str:
    """The metric in links and in names of files."""
    return re.sub(r"[^A-Za-z0-9]+", "-", known.short).strip("-").lower() or "metric"


def _of_equal_scales(panels: Sequence[Panel]) -> list[Panel]:
    """The panels, each with the scales that all of them have: a reader chooses one for them all."""
    common = [
        axis.choice
        for axis in panels[0].scales
        if all(axis.choice in [other.choice for other in panel.scales] for panel in panels)
    ]
    return [
        replace(panel, y=[axis for axis in panel.scales if axis.choice in common])
        for panel in panels
    ]


def densities_of(evidence: TaskEvidence) -> list[float]:
    """Target densities of the tickets, from dense to sparse."""
    lines = [line for lines in evidence.density.values() for line in lines if not line.is_dense]
    return sorted({x for line in lines for x in line.x}, reverse=True)


def traces_of(evidence: TaskEvidence, metric: Metric) -> list[Trace]:
    """A level for the dense run, and a line for each other label and control."""
    lines = [line for line in evidence.density[metric] if line.x]
    densities = densities_of(evidence) or [1.0]
    shifts = dodges(densities, sum(not line.is_dense for line in lines) or 1)
    number = count()
    return [
        _level(line, densities) if line.is_dense else _line(line, shifts[next(number)])
        for line in lines
    ]


def _level(line: Series, densities: Sequence[float]) -> Trace:
    many = len(densities)
    return Trace(
        name=line.name,
        control=line.control,
        look="level",
        x=densities,
        y=line.mean[:1] * many,
        reach=half_widths(line.mean, line.high)[:1] * many,
        n=line.n[:1] * many,
    )


def _at_full_density(traces: Sequence[Trace]) -> list[Trace]:
    """The dense run once more, as a point at 100% of the weights, from which the lines descend."""
    return [
        replace(t, look="points", x=[1.0], y=t.y[:1], reach=t.reach[:1], n=t.n[:1])
        for t in traces
        if t.look == "level" and t.name == "dense"
    ]


def _line(line: Series, shift: float) -> Trace:
    return Trace(
        name=line.name,
        control=line.control,
        look="line",
        x=line.x,
        y=line.mean,
        reach=half_widths(line.mean, line.high),
        n=line.n,
        lost=line.lost if any(line.lost) else (),
        shift=shift,
    )
