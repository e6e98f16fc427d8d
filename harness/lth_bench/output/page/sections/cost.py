"""Accuracy against what it took: the Pareto front."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from lth_bench.output.page.content import Group, Section
from lth_bench.output.page.figure import Axis, Figure, Mark, reaches
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.sections.scales import CUT, NEAR, scales

FRONT = "Pareto front"

NOTE = (
    "Up and to the left is better. FLOPs are of finding and training the ticket, pruned weights "
    "taken to cost nothing, without sharing between methods. The broad grey line joins "
    "what nothing else beats in both; a method is not on it where it lost a seed."
)


def cost(known: TaskKnown) -> Section | None:
    """One figure: a cloud a method, and the line that nothing lies above and to the left of."""
    points = [p for p in known.evidence.pareto if p.x > 0]
    if all(p.is_dense for p in points):
        return None
    marks = []
    for name, group in groupby(points, key=lambda p: p.name):
        own = list(group)
        marks.append(
            Mark(
                name, "none", "points",
                [p.x for p in own], [p.mean for p in own],
                reaches([p.mean for p in own], [p.high for p in own]),
                [p.n for p in own], [p.target_density for p in own],
            )
        )  # fmt: skip
    dense = next((p.mean for p in points if p.is_dense), None)
    scale, axes = scales(marks, dense)
    front = sorted((p for p in points if p.on_front), key=lambda p: p.x)
    if len(front) > 1:
        line = Mark(FRONT, "none", "front", [p.x for p in front], [p.mean for p in front])
        marks.insert(0, line)
    figure = Figure(
        "Accuracy against the FLOPs of search and training",
        Axis("FLOPs as a multiple of the dense run's", "ratio", "log"),
        [replace(a, title="Test error" if a.complement else "Test accuracy") for a in axes],
        marks,
        more=Axis("Weights left", "percent"),
        about="Test accuracy against training cost, one point a method and density. "
        "The numbers are in a table below.",
        height=420,
    )
    note = NOTE + CUT * (NEAR in scale.values)
    return Section(
        "cost", "Against cost", [Group("Accuracy against cost", [figure], [scale], note)]
    )
