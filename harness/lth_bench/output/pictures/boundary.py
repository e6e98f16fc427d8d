"""Decision boundaries and their dual polygons, beside how near two unrelated networks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.evidence import Boundary, Curve, TaskEvidence
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.metric import BELOW, densities_of, traces_of
from lth_bench.output.pictures.model import Axis, Facet, Panel, Picture, Trace
from lth_bench.output.pictures.over_steps import density_facet
from lth_bench.output.pictures.ranges import density_axis, of_traces

METRIC = "hull_distance"

NULL = "unrelated dense"
"""Names the dense network from other initial values, and its distance from the dense run."""

ZONOTOPES = "its two zonotopes"

ROWS = 6
"""Networks that a page of a paper has space for."""

DISTANCE_NOTE = (
    "Hausdorff distance between the hull of a network's dual polygons and that of the dense run at "
    "its seed, each with its centroid at 0 and a diameter of 1. The grey line is the null: two "
    "dense networks from different initial values. Below it a ticket is nearer to its dense "
    "network than an unrelated one is. Means over the seeds, with 95% t-intervals."
)

NOTE = (
    "One seed. Every network beside the dense run; the first is the null, a dense network from "
    "other initial values, trained in the same order. Polygons are placed and scaled so that the "
    "hull's centroid is at 0 and its diameter 1. "
)
BIASED = (
    "The networks have biases, on which the polygons do not depend. Normals of edges of the hull "
    "that join one zonotope to the other are directions in which the boundary runs to infinity, "
    "and no more."
)
UNBIASED = (
    "The networks have no biases: a boundary is the outward normals of the edges of the hull that "
    "join one zonotope to the other."
)


def hull_distance(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """The distance of hulls against density. None in a report that is about it."""
    if evidence.measure.name == METRIC or not evidence.density.get(METRIC):
        return None
    traces = traces_of(evidence, METRIC)
    dense = next((trace for trace in traces if trace.look == "level"), None)
    traces = [replace(trace, name=NULL) if trace is dense else trace for trace in traces]
    title = "Distance of hulls from dense"
    panel = Panel(
        title=title,
        x=density_axis(densities_of(evidence)),
        y=Axis(title=title, range=of_traces(traces, (0, float("inf")))),
        traces=traces,
        about=f"{title} against the fraction of weights remaining, {len(traces)} lines. {BELOW}",
        size="large",
    )
    return Picture(
        key="hull-distance",
        title="Distance of dual hulls from the dense network's, against density",
        panels=[panel],
        note=DISTANCE_NOTE,
    )


def boundary(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """A network a row and a density a column: its boundary, and its polygons."""
    found = evidence.boundaries
    dense = next((one for one in found if one.is_dense and not one.unrelated), None)
    others = [one for one in found if one is not dense]
    if dense is None or not any(not one.is_dense for one in others):
        return None
    names = list(dict.fromkeys(_name(one) for one in others))
    densities = sorted({one.target_density for one in others if not one.is_dense}, reverse=True)
    plane = [_curve(dense, dense.boundary)]
    plane += [
        Trace(
            name=f"class {k}", control="none", look="points", x=points.x, y=points.y, hollow=k == 0
        )
        for k, points in enumerate(dense.classes)
    ]
    dual = [_curve(dense, dense.hull)]
    for one in others:
        at = -1 if one.is_dense else densities.index(one.target_density)
        when = (names.index(_name(one)), at)
        plane.append(_curve(one, one.boundary, when))
        dual.append(_curve(one, one.zonotopes, when, ZONOTOPES))
        dual.append(_curve(one, one.hull, when))
    facets = [
        Facet(
            title="network", values=names, start=min(1, len(names) - 1), spread="rows", most=ROWS
        ),
        # four columns beside the networks' names are too narrow for "weights remaining"
        *(replace(facet, title="remaining") for facet in density_facet(densities)),
    ]
    panels = [
        _panel("Decision boundary", "boundary", ("First input", "Second input"), plane),
        _panel(
            "Dual polygons, size-normalised",
            "dual-polygons",
            ("Slope along the first input", "Slope along the second input"),
            dual,
        ),
    ]
    unbiased = all(one.unbiased for one in found)
    return Picture(
        key="boundaries",
        title=f"Decision boundaries and dual polygons, seed {dense.seed}",
        panels=panels,
        facets=facets,
        panels_are="files",
        note=NOTE + (UNBIASED if unbiased else BIASED),
        columns=2,
    )


def _panel(title: str, key: str, axes: tuple[str, str], traces: Sequence[Trace]) -> Panel:
    values = [abs(v) for t in traces for line in (t.x, t.y) for v in line if v is not None]
    reach = 1.05 * max(values, default=1.0)
    x, y = (Axis(title=name, range=(-reach, reach)) for name in axes)
    about = f"{title} of one network, and of the dense run"
    return Panel(title=title, x=x, y=y, traces=traces, about=about, isometric=True, key=key)


def _curve(one: Boundary, curve: Curve, when: Sequence[int] = (), name: str = "") -> Trace:
    return Trace(
        name=name or _name(one), control=one.control, look="curve", x=curve.x, y=curve.y, when=when
    )


def _name(one: Boundary) -> str:
    return NULL if one.unrelated else one.name
