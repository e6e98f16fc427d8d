"""The masks themselves: which pixels the first layer still reads, and how units are pruned."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.evidence import MaskMap, TaskEvidence, UnitShares
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import Axis, Facet, HeatMap, Panel, Picture, Trace
from lth_bench.output.pictures.over_steps import density_facet
from lth_bench.output.words import remaining

MAP_NOTE = (
    "Weights of the first layer that are kept at each {place}, relative to the layer's mean: at 1× "
    "a {place} keeps as many as the others. Masks of all seeds ({n}) together; a random mask has "
    "no pattern but noise. Values above {most}× have the brightest colour."
)
UNIT_NOTE = (
    "Units of a layer from the one that keeps most of its weights to the one that keeps least, as "
    "percentages of the layer's units; sorted at each seed, then averaged. A line that ends at 0 "
    "has units that keep nothing. Weights into a unit are those that it reads, out of it those "
    "that read it; of a convolution, a unit is a channel."
)
BRIGHTEST = 0.97
"""Fraction of the places that have a colour of their own: few outliers would darken the others."""


def mask_maps(evidence: TaskEvidence, detail: Detail = FULL) -> Picture | None:
    """A method a row and a density a column: an image of the first layer's mask."""
    found = [one for one in evidence.maps if sum(one.kept)]
    if not found:
        return None
    densities = sorted({one.target_density for one in found}, reverse=True)
    names = list(dict.fromkeys(one.name for one in found))
    place = "place of the kernel" if found[0].is_kernel else "pixel"
    relative = {id(one): one.relative for one in found}
    values = sorted(value for rows in relative.values() for row in rows for value in row)
    most = max(2.0, values[min(len(values) - 1, int(BRIGHTEST * len(values)))])
    z = Axis(title=f"Kept per {place}", format="ratio", range=(0.0, most))
    panels = [
        Panel(
            title=f"{remaining(density)}% kept",
            x=Axis(title="Column"),
            y=Axis(title="Row"),
            heats=[
                _heat(one, relative[id(one)], names.index(one.name))
                for one in found
                if one.target_density == density
            ],
            z=z,
            about=f"Kept weights per {place} with {remaining(density)}% of all weights remaining. "
            "The numbers are in a table below.",
            size="tile",
        )
        for density in densities[-detail.maps :]
    ]
    facet = Facet(title="method", values=names, spread="rows", most=len(names))
    n = max(one.n for one in found)
    return Picture(
        key="mask-maps",
        title=f"The first layer's mask, per {place}",
        panels=panels,
        facets=[facet],
        panels_are="columns",
        note=MAP_NOTE.format(place=place, n=n, most=f"{most:.2g}"),
        columns=2,
    )


def kept_per_unit(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """A panel a layer: the units' kept fractions in order, a line a method."""
    found = evidence.units
    if not found:
        return None
    densities = sorted({one.target_density for one in found}, reverse=True)
    sides = {"out": "into each unit", "in": "out of each unit"}
    panels = []
    for layer in dict.fromkeys(one.layer for one in found):
        own = [one for one in found if one.layer == layer]
        traces = [
            Trace(
                name=one.name,
                control=one.control,
                look="curve",
                x=[rank / (len(one.kept) - 1) for rank in range(len(one.kept))],
                y=one.kept,
                n=[one.n] * len(one.kept),
                when=(densities.index(one.target_density), list(sides).index(one.side)),
            )
            for one in own
        ]
        panels.append(
            Panel(
                title=layer,
                x=Axis(title="Units, most kept first", format="percent", range=(0.0, 1.0)),
                y=Axis(title=f"{layer}: kept", format="percent", range=(0.0, _highest(own))),
                traces=traces,
                about=f"Fraction of weights kept of each unit of {layer}, a line a method. The "
                "numbers are in a table below.",
            )
        )
    (density,) = density_facet(densities)
    side = Facet(
        title="weights", values=list(sides.values()), spread="files",
        most=len(sides), suffixes=["-in", "-out"],
    )  # fmt: skip
    return Picture(
        key="units",
        title="Weights kept of each unit",
        panels=panels,
        facets=[density, side],
        note=UNIT_NOTE,
        columns=2,
    )


def _heat(one: MaskMap, rows: Sequence[Sequence[float]], method: int) -> HeatMap:
    """Rows are counted from the top, as an image's are, and drawn from the bottom."""
    height = len(rows)
    return HeatMap(
        name=one.name,
        x=[float(column) for column in range(one.width)],
        y=[float(row) for row in reversed(range(height))],
        z=rows[::-1],
        when=(method,),
    )


def _highest(found: Sequence[UnitShares]) -> float:
    return 1.05 * max(value for one in found for value in one.kept) or 1.0
