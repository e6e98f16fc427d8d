"""How often and how soon networks converge, against their size."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.evidence import Series, TaskGroup
from lth_bench.output.pictures.metric import densities_of
from lth_bench.output.pictures.model import Axis, Format, Panel, Picture, Trace, half_widths
from lth_bench.output.pictures.over_steps import density_facet
from lth_bench.output.pictures.ranges import dodges, format_of, log_range, of_traces

CHANCE_NOTE = (
    "A network has converged once its validation metric is as good as the suite asks for "
    "(generalises_at). Chance: the seeds that did within the training, with Wilson's 95% interval. "
    "Steps: the mean over all seeds, with its 95% t-interval, where a seed that never converged "
    "counts with the whole training. "
)
NOTE = "The dense network is in every panel; tickets and controls keep the weights named above it."
VALUE_NOTE = "Means over the seeds, with 95% t-intervals. "


def size(group: TaskGroup) -> Picture | None:
    """The chance to converge and the steps that it takes, or, of tasks that do not ask for them,
    their metric; None of a group that is no sweep, and where nothing was measured yet.
    """
    if not group.swept:
        return None
    densities = sorted({x for one in group.tasks for x in densities_of(one)}, reverse=True)
    known = group.tasks[0].measure
    plans: list[tuple[str, str, Format, str]] = [
        ("generalised", "Chance to converge", "percent", "chance"),
        ("generalisation_step", "Steps to converge", "steps", "steps"),
    ]
    chances = any(one.density.get("generalised") for one in group.tasks)
    if not chances:
        plans = [(known.name, known.title, format_of(known), "value")]
    x = Axis(
        title=group.swept[:1].upper() + group.swept[1:],
        scale="log",
        range=log_range(group.sizes),
        ticks=group.sizes,
    )
    panels = []
    for metric, title, form, key in plans:
        traces = _traces(group, metric, densities)
        if not traces:
            continue
        ends = (-0.03, 1.03) if metric == "generalised" else of_traces(traces, whole=True)
        panels.append(
            Panel(
                title=title,
                x=x,
                y=Axis(title=title, format=form, range=ends),
                traces=traces,
                about=f"{title} against {group.swept}, a line for each method. The numbers are "
                "in a table below.",
                key=f"size-{key}",
            )
        )
    if not panels:
        return None
    return Picture(
        key="size",
        title=f"{panels[0].title} against size: {group.swept}",
        panels=panels,
        facets=density_facet(densities, last=True),
        note=(CHANCE_NOTE if chances else VALUE_NOTE) + NOTE * bool(densities),
        columns=2,
    )


def _traces(group: TaskGroup, metric: str, densities: Sequence[float]) -> list[Trace]:
    """The dense network's line, and one for each label and control at each density."""
    found: dict[tuple[str, float], list[tuple[float, Series, int]]] = {}
    for at, one in zip(group.sizes, group.tasks, strict=True):
        for series in one.density.get(metric, ()):
            for i, density in enumerate(series.x):
                found.setdefault((series.name, density), []).append((at, series, i))
    names = list(dict.fromkeys(name for name, _ in found))
    shifts = dict(zip(names, reversed(dodges(group.sizes, len(names) or 1)), strict=False))
    return [
        _trace(points, shifts[name], _when(points[0][1], density, densities))
        for (name, density), points in found.items()
    ]


def _when(series: Series, density: float, densities: Sequence[float]) -> tuple[int, ...]:
    if not densities:
        return ()
    return (-1 if series.is_dense else densities.index(density),)


def _trace(
    points: Sequence[tuple[float, Series, int]], shift: float, when: tuple[int, ...]
) -> Trace:
    first = points[0][1]
    mean = [series.mean[i] for _, series, i in points]
    low = [series.low[i] for _, series, i in points]
    lost = [series.lost[i] for _, series, i in points]
    return Trace(
        name=first.name,
        control=first.control,
        look="line",
        x=[at for at, _, _ in points],
        y=mean,
        reach=half_widths(mean, [series.high[i] for _, series, i in points]),
        down=[None if x is None else m - x for m, x in zip(mean, low, strict=True)],
        n=[series.n[i] for _, series, i in points],
        lost=lost if any(lost) else (),
        shift=shift,
        when=when,
    )
