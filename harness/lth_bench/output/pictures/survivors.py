"""Where survivors come from, in the training of the unpruned network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.evidence import FateCounts, TaskEvidence
from lth_bench.analysis.evidence.subject import spread
from lth_bench.analysis.evidence.survivors import GRID, joined
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.layers import suffixes
from lth_bench.output.pictures.metric import densities_of, traces_of
from lth_bench.output.pictures.model import Axis, Facet, HeatMap, Panel, Picture, Trace
from lth_bench.output.pictures.ranges import density_axis, of_traces
from lth_bench.output.words import remaining

PRUNED = "pruned weights"

OUTSIDE = 0.002
"""Fraction of the weights that may lie beyond the ends of the axes."""

DENSE = "in the training of the unpruned network"

SURVIVAL_NOTE = (
    f"The layer's weights by their initial and final value {DENSE}: the colour is the share of "
    "those at a place that the ticket keeps. Blank is where no weight is. Magnitude pruning keeps "
    "by the final value alone; weights on the diagonal did not move. All seeds together."
)
VALUES_NOTE = (
    f"Initial and final values {DENSE}: of the weights that the ticket keeps in colour, of those "
    "that it lacks in grey, each as fractions of their number. All seeds together; the outermost "
    "bins hold what lies beyond."
)
ORIGIN_NOTE = (
    f"Weights that the ticket keeps, and those that it lacks, {DENSE}. Above a ratio of 1 the "
    "survivors moved farther, or began larger in units of their layer's root mean square. Means "
    "over the seeds with 95% t-intervals."
)
TITLES = {
    "survivors_same_sign": "Survivors that kept their sign",
    "pruned_same_sign": "Pruned weights that kept their sign",
    "survivors_grew": "Survivors that moved away from zero",
    "pruned_grew": "Pruned weights that moved away from zero",
    "moved_ratio": "Distance moved, survivors : pruned",
    "initial_ratio": "Initial magnitude, survivors : pruned",
}


def survival(evidence: TaskEvidence, detail: Detail = FULL) -> Picture | None:
    """A panel a layer: the share that survives, by initial and final value."""
    found = evidence.fates
    if not found:
        return None
    names, densities = _facets(found, detail)
    panels = []
    for layer in dict.fromkeys(one.layer for one in found if one.target_density in densities):
        own = _of_layer(found, layer, densities)
        first, last = _bounds(own)
        heats = [
            _heat(one, first, last, (names.index(one.name), densities.index(one.target_density)))
            for one in own
        ]
        panels.append(
            Panel(
                title=layer,
                x=Axis(title="Initial value"),
                y=Axis(title="Final value"),
                heats=heats,
                z=Axis(title="Kept", format="percent", range=(0.0, 1.0)),
                about=f"Share of the weights of {layer} that the ticket keeps, by initial and "
                "final value. The numbers are in a table below.",
                size="tile",
            )
        )
    return Picture(
        key="survival",
        title="Survival by initial and final value",
        panels=panels,
        facets=_choices(names, densities),
        panels_are="columns",
        note=SURVIVAL_NOTE,
        columns=2,
    )


def values(evidence: TaskEvidence, detail: Detail = FULL) -> Picture | None:
    """A small panel a layer: initial and final values of kept and of pruned weights."""
    found = evidence.fates
    if not found:
        return None
    names, densities = _facets(found, detail)
    panels = []
    for layer in dict.fromkeys(one.layer for one in found if one.target_density in densities):
        own = _of_layer(found, layer, densities)
        first, last = _bounds(own)
        reach = own[0].reach
        width = 2 * reach / GRID
        traces = []
        for one in own:
            place = names.index(one.name), densities.index(one.target_density)
            for moment in (0, 1):
                for name, counts in ((PRUNED, one.pruned), (one.name, one.kept)):
                    heights = _marginal(counts, moment)
                    at = [-one.reach + 2 * one.reach * (i + 0.5) / GRID for i in range(GRID)]
                    traces.append(
                        Trace(
                            name=name, control=one.control, look="stairs", x=at, y=heights,
                            when=(*place, moment),
                        )
                    )  # fmt: skip
        panels.append(
            Panel(
                title=layer,
                x=Axis(title="Weight", range=(-reach + first * width, -reach + last * width)),
                y=Axis(title="Share of weights", format="percent"),
                traces=traces,
                about=f"Distributions of kept and of pruned weights of {layer}",
                size="small",
            )
        )
    moments = Facet(
        title="values", values=["initial", "final"], start=1, spread="files", most=2,
        suffixes=["-initial", "-final"],
    )  # fmt: skip
    return Picture(
        key="fates",
        title="Initial and final values of kept and of pruned weights",
        panels=panels,
        facets=[*_choices(names, densities), moments],
        panels_are="columns",
        note=VALUES_NOTE,
        columns=3,
    )


def origins(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """Signs kept, moves away from zero, distances and initial magnitudes against density."""
    names = [name for name in TITLES if evidence.density.get(name)]
    if not names:
        return None
    panels = []
    for name in names:
        traces = traces_of(evidence, name)
        is_ratio = name.endswith("_ratio")
        ends = of_traces(traces) if is_ratio else of_traces(traces, (0.0, 1.0), whole=True)
        panels.append(
            Panel(
                title=TITLES[name],
                x=density_axis(densities_of(evidence)),
                y=Axis(title=TITLES[name], format="ratio" if is_ratio else "percent", range=ends),
                traces=traces,
                about=f"{TITLES[name]}, against the fraction of weights remaining. The numbers are "
                "in a table below.",
                key=name.replace("_", "-"),
            )
        )
    return Picture(
        key="origins",
        title="Survivors and pruned weights against density",
        panels=panels,
        panels_are="files",
        note=ORIGIN_NOTE,
        columns=2,
    )


def _facets(found: Sequence[FateCounts], detail: Detail) -> tuple[list[str], list[float]]:
    every = sorted({one.target_density for one in found}, reverse=True)
    return list(dict.fromkeys(one.name for one in found)), spread(every, detail.densities)


def _of_layer(
    found: Sequence[FateCounts], layer: str, densities: Sequence[float]
) -> list[FateCounts]:
    """Those of a layer that are shown, over the bins of the widest of them."""
    own = [one for one in found if one.layer == layer and one.target_density in densities]
    reach = max(one.reach for one in own)

    def widened(one: FateCounts, counts: Sequence[int]) -> tuple[int, ...]:
        return joined([(one.reach, at, count) for at, count in enumerate(counts) if count], reach)

    return [
        replace(one, kept=widened(one, one.kept), pruned=widened(one, one.pruned), reach=reach)
        for one in own
    ]


def _choices(names: Sequence[str], densities: Sequence[float]) -> list[Facet]:
    return [
        Facet(title="method", values=names, spread="rows", most=len(names)),
        Facet(
            title="weights remaining",
            values=[f"{remaining(density)}%" for density in densities],
            start=len(densities) - 1,
            spread="files",
            most=len(densities),
            suffixes=suffixes(densities),
        ),
    ]


def _bounds(found: Sequence[FateCounts]) -> tuple[int, int]:
    """First and one past the last bin that both axes show of a layer: an equal number of bins on
    both sides of 0, the fewest that nearly all weights lie in.
    """
    half = GRID // 2
    for inner in range(2, half):
        within = range(half - inner, half + inner)
        if all(_share_within(one, within) >= 1 - OUTSIDE for one in found):
            return half - inner, half + inner
    return 0, GRID


def _share_within(one: FateCounts, within: range) -> float:
    every = [a + b for a, b in zip(one.kept, one.pruned, strict=True)]
    inside = sum(every[GRID * i + j] for i in within for j in within)
    return inside / (sum(every) or 1)


def _heat(one: FateCounts, first: int, last: int, when: tuple[int, int]) -> HeatMap:
    """Rows from the lowest final value; None where there is no weight."""
    places = [one.reach * (2 * (i + 0.5) / GRID - 1) for i in range(first, last)]

    def share(i: int, j: int) -> float | None:
        kept, pruned = one.kept[GRID * i + j], one.pruned[GRID * i + j]
        return kept / (kept + pruned) if kept + pruned else None

    z = [[share(i, j) for i in range(first, last)] for j in range(first, last)]
    return HeatMap(name=one.name, x=places, y=places, z=z, when=when)


def _marginal(counts: Sequence[int], moment: int) -> list[float]:
    """[GRID]: fractions by initial (0) or final value (1)."""
    rows = [counts[GRID * i : GRID * (i + 1)] for i in range(GRID)]
    sums = [sum(row) for row in (rows if moment == 0 else zip(*rows, strict=True))]
    return [value / (sum(sums) or 1) for value in sums]
