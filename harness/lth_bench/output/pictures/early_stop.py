"""How soon training reaches its minimum validation loss, seed by seed; the generalisation gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.evidence import Stops, TaskEvidence
from lth_bench.analysis.measures import ACCURACY
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.metric import BELOW, densities_of, traces_of
from lth_bench.output.pictures.model import Axis, Panel, Picture, Trace
from lth_bench.output.pictures.ranges import density_axis, log_range, of_traces

IMPROVING = "improving to the end"
"""Name of the open dots: seeds whose validation loss had no minimum before the last step."""
APART = 2
"""How many times as far apart as intervals the dots are drawn: many seeds have the same step."""
SPACE = 0.04
"""Of the range of steps, left free above and below."""
NOTE = (
    "Left a dot for each seed, and a line through their means. An open one is a seed whose "
    "validation loss was lowest at the last step: it still improved when training ended, so that "
    "the mean is too small."
)


def early_stop_and_gap(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """How soon training reaches its minimum validation loss; beside test accuracy also the
    difference of training and test accuracy. None where the report is about one of these.
    """
    x = density_axis(densities_of(evidence))
    panels = []
    known = evidence.measure
    steps = traces_of(evidence, "early_stop_step")
    if steps and known.name != "early_stop_step":
        shown = _seed_by_seed(steps, evidence.stops)
        panels.append(
            Panel(
                title="Early-stop step: how soon it learns",
                x=replace(x, range=log_range([d * t.shift for t in shown for d in t.x if d])),
                y=Axis(
                    title="Step of minimum validation loss",
                    format="steps",
                    range=_from_first_to_last(shown),
                ),
                traces=shown,
                about="Early-stop step against the fraction of weights remaining, seed by seed. "
                f"{BELOW}",
                key="early-stop-step",
            )
        )
    gap = traces_of(evidence, "generalisation_gap") if known == ACCURACY else []
    if gap:
        ends = of_traces(gap, (-1, 1))
        panels.append(
            Panel(
                title="Generalisation gap",
                x=x,
                y=Axis(title="Train − test accuracy", format="points", range=ends),
                traces=gap,
                about="Train minus test accuracy against the fraction of weights remaining. "
                f"{BELOW}",
                key="generalisation-gap",
            )
        )
    if not panels:
        return None
    title = "Early-stop step and generalisation gap" if gap else "Early-stop step"
    return Picture(
        key="early-stop",
        title=f"{title} against density",
        panels=panels,
        panels_are="files",
        columns=2,
        note=NOTE
        if any(trace.name == IMPROVING for panel in panels for trace in panel.traces)
        else "",
    )


def _from_first_to_last(traces: Sequence[Trace]) -> tuple[float, float]:
    """From the first step of any seed to the last one, which may be that of the training."""
    steps = [step for trace in traces for step in trace.y if step is not None]
    space = SPACE * (max(steps) - min(steps)) or 1.0
    return max(0.0, min(steps) - space), max(steps) + space


def _seed_by_seed(steps: Sequence[Trace], stops: Sequence[Stops]) -> list[Trace]:
    """The means as lines without intervals, which would reach beyond the last step; each seed as a
    dot, open if it was still improving: those of controls come last, since a legend has the first.
    """
    steps = [replace(trace, reach=(), shift=trace.shift**APART) for trace in steps]
    shifts = {trace.name: trace.shift for trace in steps}
    dots, rings = [], []
    for one in stops:
        if one.is_dense or one.name not in shifts:
            continue
        dot = Trace(
            name=one.name,
            control=one.control,
            look="points",
            x=one.x,
            y=one.step,
            shift=shifts[one.name],
        )
        dots.append(dot)
        if at := [i for i, improving in enumerate(one.improving) if improving]:
            x, y = [one.x[i] for i in at], [one.step[i] for i in at]
            rings.append(replace(dot, x=x, y=y, name=IMPROVING, like=one.name, hollow=True))
    rings.sort(key=lambda ring: ring.control != "none")
    return [*steps, *dots, *rings]
