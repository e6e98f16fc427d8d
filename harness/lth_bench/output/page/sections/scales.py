"""Scales for accuracies, which crowd near dense while a few methods fall far below it."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.output.page.content import Choice
from lth_bench.output.page.figure import Axis, Mark

LEAST_REACH = 0.02
"""A scale near dense goes at least this far below it."""

ALL, NEAR, ERROR = "all", "near dense", "error, logarithmic"

CUT = " Near dense leaves out what lies far below it."


def scales(marks: Sequence[Mark], dense: float | None) -> tuple[Choice, list[Axis]]:
    """What a reader may choose from, the clearest first; the axes are without a title.

    Near dense goes down four times as far below dense as the worst quarter of the points begins.
    It is offered only where that leaves something out, and always beside the whole scale. The
    error on a logarithmic scale shows differences near 100% as well as far from it.
    """
    values = sorted(y for mark in marks for y in mark.y if y is not None)
    axes = {ALL: Axis("", "percent", high=1.0)}
    if values and dense is not None:
        low = dense - max(LEAST_REACH, 4 * (dense - values[len(values) // 4]))
        if values[0] < low:
            axes = {NEAR: Axis("", "percent", low=low, high=1.0), **axes}
    if any(y < 1 for y in values):
        axes[ERROR] = Axis("", "percent", "log", reverse=True, complement=True)
    return Choice("scale", list(axes)), list(axes.values())
