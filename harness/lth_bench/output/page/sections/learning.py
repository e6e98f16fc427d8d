"""Learning curves: validation accuracy and loss against the step."""

from __future__ import annotations

from dataclasses import replace

from lth_bench.analysis.evidence import LearningCurve
from lth_bench.analysis.evidence.choice import spread
from lth_bench.output.page.content import Choice, Group, Section
from lth_bench.output.page.figure import Axis, Figure, Mark, reaches
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.sections.scales import CUT, NEAR, scales
from lth_bench.output.page.words import left

NOTE = (
    "The training of the ticket itself, from the step it rewinds to; means over the seeds. The "
    "accuracy's 95% interval is drawn as a band while five lines or fewer are shown."
)


def learning(known: TaskKnown) -> Section | None:
    """Two figures side by side, at one density."""
    curves = [curve for curve in known.evidence.learning if len(curve.step) > 1]
    densities = sorted({c.target_density for c in curves if not c.is_dense}, reverse=True)
    if not densities:
        return None
    marks = [
        _marks(
            curve,
            -1 if curve.is_dense else densities.index(curve.target_density),
            known.budget.points,
        )
        for curve in curves
    ]
    accuracy, loss = [pair[0] for pair in marks], [pair[1] for pair in marks]
    dense = next((curve.val_accuracy[-1] for curve in curves if curve.is_dense), None)
    scale, axes = scales(accuracy, dense)
    titled = [
        replace(a, title="Validation error" if a.complement else "Validation accuracy")
        for a in axes
    ]
    step = Axis("Step", "steps")
    about = "against the step, one line a method. The numbers are in a table below."
    figures = [
        Figure("Validation accuracy", step, titled, accuracy,
               about=f"Validation accuracy {about}", height=340),
        Figure("Validation loss", step, Axis("Validation loss", "value", "log"), loss,
               about=f"Validation loss {about}", height=340),
    ]  # fmt: skip
    at = Choice("weights left, %", [left(d) for d in densities], len(densities) - 1)
    note = NOTE + CUT * (NEAR in scale.values)
    group = Group("Learning curves", figures, [at, scale], note, columns=2)
    return Section("learning", "Learning curves", [group])


def _marks(curve: LearningCurve, when: int, points: int) -> tuple[Mark, Mark]:
    """Accuracy and loss, at no more than so many points."""
    at = spread(range(len(curve.step)), points)
    mean = [curve.val_accuracy[i] for i in at]
    accuracy = Mark(
        curve.name, curve.control, "curve", [curve.step[i] for i in at], mean,
        reaches(mean, [curve.high[i] for i in at]), [curve.n] * len(at), when=(when,),
    )  # fmt: skip
    return accuracy, replace(accuracy, y=[curve.val_loss[i] for i in at], reach=())
