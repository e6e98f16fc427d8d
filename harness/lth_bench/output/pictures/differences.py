"""What tickets lose without an ingredient, and what methods differ by from a baseline."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.answers import OLD
from lth_bench.analysis.evidence import Contrast, TaskEvidence
from lth_bench.analysis.measures import Measure
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import Axis, Format, Panel, Picture, Trace, half_widths
from lth_bench.output.pictures.ranges import density_axis, dodges, of_traces
from lth_bench.store.metric import ON_TEST_EXAMPLES

PAIRED = (
    " Paired by seed: means with 95% t-intervals; points of one density are drawn apart. "
    "A line that leaves the axes collapses."
)
WIDER = "on other test examples too"
THIN = (
    " Thick bars: other seeds on the task's own test examples; thin bars: on other test examples "
    "too. Verdicts are about the former."
)
CONTROLS_NOTE = (
    "Each line is a copy of the ticket without one of its ingredients, less the ticket itself, "
    "which is the line at 0: reinit has the mask alone, moved_values the initial values alone (at "
    "other places of their layer), reinit_same_signs mask and signs, random_signs mask and "
    "magnitudes, shuffle neither mask nor values." + PAIRED
)
LABELS_NOTE = (
    "Each line is a method less {to}, which is the line at 0; where it crosses, they break even. "
    "LABEL-equal_cost trains for as many steps as {to} in all up to that density; a network that "
    "is not pruned is the same at every density." + PAIRED
)


def ingredients(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """A panel a label: its controls less its ticket."""
    found = [one for one in evidence.differences if one.kind == "control"]
    panels = [
        _panel([one for one in found if one.to == label], label, evidence.measure, "controls")
        for label in dict.fromkeys(one.to for one in found)
    ]
    if not panels:
        return None
    return Picture(
        key="ingredients",
        title="What makes a ticket",
        panels=panels,
        panels_are="files",
        note=CONTROLS_NOTE + _thin(panels, evidence.measure),
        foot=THIN.strip() if any(panel.wider for panel in panels) else "",
    )


def break_even(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """All labels less the suite's baseline, where that is not the dense run."""
    found = [one for one in evidence.differences if one.kind == "label"]
    if not found:
        return None
    to = found[0].to
    panels = [_panel(found, to, evidence.measure, "methods")]
    return Picture(
        key="break-even",
        title=f"Differences to {to} against density",
        panels=panels,
        note=LABELS_NOTE.format(to=to) + _thin(panels, evidence.measure),
        foot=THIN.strip() if any(panel.wider for panel in panels) else "",
    )


def _thin(panels: Sequence[Panel], known: Measure) -> str:
    """What the second bars are, or why there are none."""
    if any(panel.wider for panel in panels):
        return THIN
    whole = any(half is not None for panel in panels for t in panel.traces for half in t.reach)
    return f" {OLD[:1].upper()}{OLD[1:]}." if whole and known.name in ON_TEST_EXAMPLES else ""


def _panel(found: Sequence[Contrast], to: str, known: Measure, what: str) -> Panel:
    densities = sorted({x for one in found for x in one.x}, reverse=True)
    shifts = dodges(densities, len(found))
    zero = Trace(
        name=to, control="none", look="level", x=densities, y=[0.0] * len(densities),
        n=[found[0].n[0]] * len(densities),
    )  # fmt: skip
    lines = [
        Trace(
            name=one.name,
            control=one.control,
            look="line",
            x=one.x,
            y=one.mean,
            reach=half_widths(one.mean, one.high),
            wide=half_widths(one.mean, one.wide) if any(x is not None for x in one.wide) else (),
            n=one.n,
            shift=shift,
        )
        for one, shift in zip(found, shifts, strict=True)
    ]
    form: Format = "points" if known.is_fraction else "value"
    return Panel(
        title=f"{known.title}, less that of {to}",
        x=density_axis(densities),
        y=Axis(title=f"Difference to {to}", format=form, range=of_traces([zero, *lines])),
        traces=[zero, *lines],
        wider=WIDER if any(line.wide for line in lines) else "",
        about=f"{known.title} of {len(lines)} {what} less that of {to}, against the fraction of "
        "weights remaining. The numbers are in a table below.",
        size="large",
        key=f"ingredients-{to}" if what == "controls" else "break-even",
    )
