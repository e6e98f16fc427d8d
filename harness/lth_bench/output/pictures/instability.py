"""Instability against the rewind step (Frankle et al., 2020, figures 3 to 5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from lth_bench.analysis.evidence import Barrier, TaskEvidence
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import Axis, Format, Panel, Picture, Trace, half_widths
from lth_bench.output.pictures.over_steps import density_facet
from lth_bench.output.pictures.ranges import limits, of_traces

NOTE = (
    "Two copies of a ticket, or of the dense network (at 100%), are trained in different data "
    "orders from the step that it is rewound to. The barrier is the highest error on the line "
    "between them, less the mean of the two ends, and at least half their difference; Frankle et "
    "al. (2020) call a network stable below 2 points. Means over the seeds, with 95% t-intervals; "
    "grey lines join one strategy's labels."
)
ESTIMATED = " With re-estimated statistics, batch norms see training examples at each point."


def instability(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """Barriers in test error and in training loss, and the distance of the copies."""
    found = evidence.instability
    if not found:
        return None
    densities = sorted({one.target_density for one in found}, reverse=True)
    steps = limits([one.rewind_step for one in found], whole=True)
    x = Axis(title="Rewind step", format="steps", range=(min(0.0, steps[0]), steps[1]))
    names = list(dict.fromkeys(one.metric for one in found if _title(one.metric) is not None))
    panels = []
    for name in sorted(names, key=_order):
        traces = _traces([one for one in found if one.metric == name], densities)
        title, form = _title(name) or ("", "value")
        panels.append(
            Panel(
                title=title,
                x=x,
                y=Axis(title=title, format=form, range=of_traces(traces)),
                traces=traces,
                about=f"{title} against the rewind step, a point for each label. The numbers are "
                "in a table below.",
                key=name.replace("_", "-"),
            )
        )
    if not panels:
        return None
    estimated = any(name.endswith("_reestimated") for name in names)
    return Picture(
        key="instability",
        title="Instability against the rewind step",
        panels=panels,
        facets=density_facet(densities),
        panels_are="files",
        note=NOTE + ESTIMATED * estimated,
        columns=2,
    )


def _title(metric: str) -> tuple[str, Format] | None:
    """The title of a measure's panel; None for one that has none."""
    if metric == "copies_distance":
        return "L2 distance of the copies", "value"
    name = metric.removeprefix("barrier_").removesuffix("_reestimated")
    also = ", statistics re-estimated" if metric.endswith("_reestimated") else ""
    if name == "train_loss":
        return f"Barrier in training loss{also}", "value"
    if name.startswith("test_"):
        form: Format = "points" if name == "test_error" else "value"
        return f"Barrier in {name.replace('_', ' ')}{also}", form
    return None


def _order(metric: str) -> tuple[bool, bool, str]:
    return metric == "copies_distance", not metric.startswith("barrier_test"), metric


def _traces(found: Sequence[Barrier], densities: Sequence[float]) -> list[Trace]:
    """A grey line for every strategy with labels at several steps, and a point for every label."""
    lines, points = [], []
    for density, at_density in groupby(found, key=lambda one: one.target_density):
        there, when = list(at_density), (densities.index(density),)
        for strategy in dict.fromkeys(one.strategy for one in there):
            own = sorted(
                (one for one in there if one.strategy == strategy), key=lambda one: one.rewind_step
            )
            if len({one.rewind_step for one in own}) > 1:
                x, y = [one.rewind_step for one in own], [one.mean for one in own]
                name = f"{strategy}, by rewind step"
                lines.append(Trace(name=name, control="none", look="curve", x=x, y=y, when=when))
        for one in there:
            mean = [one.mean]
            points.append(
                Trace(
                    name=one.name,
                    control="none",
                    look="points",
                    x=[one.rewind_step],
                    y=mean,
                    reach=half_widths(mean, [one.high]),
                    n=[one.n],
                    when=when,
                )
            )
    return [*lines, *points]
