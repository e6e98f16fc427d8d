"""Where each method leaves the weights, layer by layer, and how they are distributed."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.evidence import LayerWeights, TaskEvidence
from lth_bench.analysis.evidence.subject import spread
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import Axis, Facet, Panel, Picture, Trace
from lth_bench.output.pictures.over_steps import density_facet
from lth_bench.output.words import remaining

WHOLE = "whole network"

START = "as training begins"

OUTSIDE = 0.002
"""Fraction of the weights that may lie beyond the ends of the axis: else outliers set its scale."""


def kept_per_layer(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """A line a method, from input to output, at one density at a time."""
    found = evidence.kept
    if not found:
        return None
    names = list(dict.fromkeys(layer for one in found for layer in one.layers))
    densities = sorted({one.target_density for one in found}, reverse=True)
    every = [float(at) for at in range(len(names))]
    traces = [
        Trace(
            name=WHOLE,
            control="none",
            look="level",
            x=every,
            y=[density] * len(every),
            when=(index,),
        )
        for index, density in enumerate(densities)
    ]
    for one in found:
        x = [float(names.index(layer)) for layer in one.layers]
        when = (densities.index(one.target_density),)
        traces.append(
            Trace(name=one.name, control=one.control, look="line", x=x, y=one.kept, when=when)
        )
    kept = [share for one in found for share in one.kept]
    least = min((share for share in [*kept, *densities] if share > 0), default=0.5)
    panel = Panel(
        title="Weights kept in each layer",
        x=Axis(title="Layer, from input to output", scale="names", names=names),
        y=Axis(
            title="Weights of the layer kept",
            format="percent",
            scale="log",
            range=(least / 1.3, 1.3),
        ),
        traces=traces,
        about="Fraction of weights kept in each layer, a line a method. The numbers are in a "
        "table below.",
    )
    note = "Means over the seeds; the grey line is the density of the whole network."
    if 0 in kept:
        note += " A layer that keeps nothing has no point on this scale."
    return Picture(
        key="kept", title=panel.title, panels=[panel], facets=density_facet(densities), note=note
    )


def weights(evidence: TaskEvidence, detail: Detail = FULL) -> Picture | None:
    """A small panel a layer: surviving weights as training begins and after it."""
    found = evidence.weights
    if not found:
        return None
    names = list(dict.fromkeys(one.name for one in found))
    sparse = sorted({one.target_density for one in found if not one.is_dense}, reverse=True)
    densities = spread(sparse, detail.densities)
    panels = []
    for layer in dict.fromkeys(one.layer for one in found):
        shown = [
            one
            for one in found
            if one.layer == layer and (one.is_dense or one.target_density in densities)
        ]
        traces = []
        for one in shown:
            density = -1 if one.is_dense else densities.index(one.target_density)
            when = (names.index(one.name), density)
            for name, counts in ((START, one.start), (one.name, one.end)):
                if sum(counts):
                    x, y = _outline(one.reach, _joined(counts, detail.bins))
                    traces.append(
                        Trace(name=name, control=one.control, look="stairs", x=x, y=y, when=when)
                    )
        reach = max((axis_reach(one) for one in shown), default=1.0)
        panels.append(
            Panel(
                title=layer,
                x=Axis(title="Weight", range=(-reach, reach)),
                y=Axis(title="Share of weights", format="percent"),
                traces=traces,
                about=f"Distribution of the surviving weights of {layer}",
                size="small",
            )
        )
    facets = [
        Facet(
            title="method",
            values=names,
            start=min(1, len(names) - 1),
            spread="rows",
            most=len(names),
        ),
        Facet(
            title="weights remaining",
            values=[f"{remaining(d)}%" for d in densities] or ["100%"],
            start=max(0, len(densities) - 1),
            spread="files",
            most=len(densities) or 1,
            suffixes=suffixes(densities or [1.0]),
        ),
    ]
    note = (
        "Surviving weights of all seeds, as fractions of the layer's: grey as the training of the "
        "ticket begins, in colour after it."
    )
    return Picture(
        key="weights",
        title="Distributions of the surviving weights",
        panels=panels,
        facets=facets,
        panels_are="columns",
        note=note,
        columns=3,
    )


def suffixes(densities: Sequence[float]) -> list[str]:
    """What names of files say of densities, in percent, with as many digits as tell them apart.

    With _ as the decimal point: LaTeX would take a point for the beginning of the suffix.
    """
    digits = 3
    while len({f"{100 * density:.{digits}g}" for density in densities}) < len(densities):
        digits += 1
    return [f"-{100 * density:.{digits}g}".replace(".", "_") for density in densities]


def axis_reach(one: LayerWeights) -> float:
    """How far out the axis must go for both histograms."""
    bins = len(one.start)
    for inner in range(1, bins // 2 + 1):
        within = slice(bins // 2 - inner, bins // 2 + inner)
        if all(sum(c[within]) >= (1 - OUTSIDE) * sum(c) for c in (one.start, one.end)):
            return one.reach * 2 * inner / bins
    return one.reach


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
