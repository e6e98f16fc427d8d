"""Accuracy, early stop and generalisation gap of several recipes of one network, beside each other.

As Frankle & Carbin (2019) draw them: small multiples, a line for each method, which begins at the
dense network at 100%.
"""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.evidence import Series, TaskEvidence, TaskGroup
from lth_bench.output.pictures.metric import densities_of
from lth_bench.output.pictures.model import Axis, Facet, Format, Panel, Picture, Trace, half_widths
from lth_bench.output.pictures.ranges import density_axis, dodges, format_of, of_traces

NOTE = (
    "Means over the seeds that ended ok, with 95% t-intervals; points of one density are drawn "
    "slightly apart. All lines begin at the dense network, at 100%. Early stop is the step of "
    "minimum validation loss. Scales are the same for all of these tasks."
)


def variants(group: TaskGroup) -> Picture | None:
    """A column for each task, a row for each metric; None of a sweep over sizes, of tasks that are
    judged by different metrics, and where there is no ticket yet.
    """
    densities = sorted({x for one in group.tasks for x in densities_of(one)}, reverse=True)
    known = group.tasks[0].measure
    if group.swept or not densities or any(one.measure != known for one in group.tasks):
        return None
    x = density_axis([1.0, *densities])
    panels = []
    plans: list[tuple[str, str, Format]] = [(known.name, known.title, format_of(known))]
    if known.name != "early_stop_step":
        plans.append(("early_stop_step", "Early-stop step", "steps"))
    if known.is_accuracy:
        plans.append(("generalisation_gap", "Train − test", "points"))
    for metric, title, form in plans:
        traces = [
            trace
            for when, one in enumerate(group.tasks)
            for trace in _traces(one, metric, densities, when)
        ]
        if not traces:
            continue
        panels.append(
            Panel(
                title=title,
                x=x,
                y=Axis(title=title, format=form, range=of_traces(traces)),
                traces=traces,
                about=f"{title} against the fraction of weights remaining, for each of "
                f"{len(group.tasks)} tasks. The numbers are in a table below.",
            )
        )
    if not panels:
        return None
    return Picture(
        key="variants",
        title=f"Side by side: {', '.join(group.names)}",
        panels=panels,
        facets=[Facet(title="task", values=group.names, most=len(group.names))],
        note=NOTE,
        columns=3,
    )


def _traces(one: TaskEvidence, metric: str, densities: Sequence[float], when: int) -> list[Trace]:
    """A line for each label and control, from the dense network on; that alone is a point."""
    lines = [line for line in one.density.get(metric, ()) if line.x]
    dense = next((line for line in lines if line.is_dense), None)
    tickets = [line for line in lines if not line.is_dense]
    shifts = dodges(densities, len(tickets) or 1)
    found = [_trace(line, dense, shift, when) for line, shift in zip(tickets, shifts, strict=False)]
    return [*found, _trace(dense, None, 1.0, when)] if dense is not None else found


def _trace(line: Series, dense: Series | None, shift: float, when: int) -> Trace:
    before = [] if dense is None else [dense]
    # the dense network's own interval is drawn once, at its point
    mean = [*(d.mean[0] for d in before), *line.mean]
    high = [*(None for _ in before), *line.high]
    return Trace(
        name=line.name,
        control=line.control,
        look="line",
        x=[*(1.0 for _ in before), *line.x],
        y=mean,
        reach=half_widths(mean, high),
        n=[*(d.n[0] for d in before), *line.n],
        lost=[*(0 for _ in before), *line.lost] if any(line.lost) else (),
        shift=shift,
        when=(when,),
    )
