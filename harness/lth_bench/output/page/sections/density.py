"""Accuracy, early-stop step and generalisation gap against density, with every control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.evidence import Metric, Series
from lth_bench.output.page.content import Choice, Group, Part, Prose, Section
from lth_bench.output.page.figure import Axis, Figure, Mark, reaches
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.sections.scales import CUT, NEAR, scales
from lth_bench.output.page.words import counted

ACCURACIES: tuple[tuple[Metric, str, str], ...] = (
    ("test_accuracy", "after the last step", "Test accuracy"),
    ("early_stop_accuracy", "at early stop", "Test accuracy at early stop"),
)

NOTE = (
    "Means over the seeds that ended ok, with 95% t-intervals; points of one density are moved "
    "apart by a few pixels. The long-dashed line and its band are the dense run. Early stop is the "
    "step of minimum validation loss."
)


def density(known: TaskKnown) -> Section | None:
    """The accuracy large, the others below it."""
    if not known.densities:
        return None
    parts: list[Part] = []
    lost = sum(sum(series.lost) for series in known.evidence.density["test_accuracy"])
    if lost:
        text = f"{counted(lost, 'result')} failed and count in no mean here; see Failures."
        parts.append(Prose([text], "warn"))
    groups = [_accuracy(known), _others(known)]
    parts += [group for group in groups if group is not None]
    return Section("density", "Against density", parts) if any(groups) else None


def _accuracy(known: TaskKnown) -> Group | None:
    """One figure at a time: which accuracy, on which scale."""
    by_metric = [(_marks(known, metric), when, title) for metric, when, title in ACCURACIES]
    shown = [found for found in by_metric if found[0]]
    if not shown:
        return None
    scale, axes = scales([m for marks, *_ in shown for m in marks], _dense_of(shown[0][0]))
    figures = [
        Figure(
            f"{title} against density",
            _density_axis(known),
            [replace(axis, title="Test error" if axis.complement else title) for axis in axes],
            marks,
            about=f"{title} against the fraction of weights left, {len(marks)} lines. "
            "The numbers are in a table below.",
            dodge=True,
            height=430,
            when=(index, -1),
        )
        for index, (marks, _, title) in enumerate(shown)
    ]
    choices = [Choice("accuracy", [when for _, when, _ in shown]), scale]
    note = NOTE + CUT * (NEAR in scale.values)
    return Group("Accuracy against density", figures, choices, note)


def _others(known: TaskKnown) -> Group | None:
    stop, gap = _marks(known, "early_stop_step"), _marks(known, "generalisation_gap")
    x = _density_axis(known)
    figures = []
    if stop:
        figures.append(
            Figure(
                "Early-stop step: how soon it has learnt", x,
                Axis("Step of minimum validation loss", "steps"), stop,
                about="Early-stop step against the fraction of weights left. The numbers are in a "
                "table below.",
                dodge=True, height=320,
            )
        )  # fmt: skip
    if gap:
        figures.append(
            Figure(
                "Generalisation gap", x,
                Axis("Train minus test accuracy", "points"), gap,
                about="Train minus test accuracy against the fraction of weights left. The "
                "numbers are in a table below.",
                dodge=True, height=320,
            )
        )  # fmt: skip
    title = "Early-stop step and generalisation gap against density"
    return Group(title, figures, columns=2) if figures else None


def _density_axis(known: TaskKnown) -> Axis:
    return Axis("Weights left", "percent", "log", ticks=known.densities, reverse=True)


def _marks(known: TaskKnown, metric: Metric) -> list[Mark]:
    densities = known.densities
    return [_mark(s, densities) for s in known.evidence.density[metric] if s.x]


def _mark(series: Series, densities: Sequence[float]) -> Mark:
    if series.is_dense:
        many = len(densities)
        return Mark(
            series.name, series.control, "level", densities,
            series.mean[:1] * many, reaches(series.mean, series.high)[:1] * many,
            series.n[:1] * many,
        )  # fmt: skip
    return Mark(
        series.name, series.control, "line",
        series.x, series.mean, reaches(series.mean, series.high), series.n,
    )  # fmt: skip


def _dense_of(marks: Sequence[Mark]) -> float | None:
    """What the dense run reaches, if it is among them."""
    return next((mark.y[0] for mark in marks if mark.look == "level"), None)
