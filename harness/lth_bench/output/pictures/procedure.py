"""The procedure as a picture: train, prune, rewind, repeat, drawn from one search."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.evidence import Procedure, ProcedureRound, TaskEvidence
from lth_bench.analysis.measures import Measure
from lth_bench.output.pictures.detail import FULL, Detail
from lth_bench.output.pictures.model import (
    Axis,
    Format,
    Panel,
    Picture,
    Polygon,
    Raster,
    Remark,
    Trace,
)
from lth_bench.output.style import HEAT
from lth_bench.output.words import remaining

DENSE = "dense"
LACKING = "pruned"

HALF = 0.36
"""Half of what a training takes of the place of its round, whose width is 1."""

NOTE = (
    "{name} at seed {seed}. Above: the validation {metric} of each round's training, from the "
    "rewind point to the end{test}. Then the smallest trained weights are pruned, the others are "
    "rewound, and the next round begins. Below: {below}"
)
TEST = ", and the test {} in figures"
PIXELS = (
    "what each mask keeps of the first layer's weights at every pixel, bright where it keeps most."
)
LAYERS = "what each mask keeps of every layer, from input (top) to output."


def procedure(evidence: TaskEvidence, _: Detail = FULL) -> Picture | None:
    """The trainings of an iterative search one after another, above the masks that they have: their
    primary metric, or the loss where another metric is asked for.
    """
    found = evidence.procedure
    if found is None or len(found.rounds) < 2 or any(len(one.step) < 2 for one in found.rounds):
        return None
    rounds = found.rounds
    names = [f"{remaining(one.density)}%" for one in rounds]
    x = Axis(title="Weights remaining", scale="names", names=names)
    own = evidence.primary
    asked = evidence.measure == own or (evidence.measure.is_accuracy and own.is_accuracy)
    curves = [one.val_score if asked else one.val_loss for one in rounds]
    every = [value for curve in curves for value in curve]
    low, high = min(every), max(every)
    space = (high - low) or 1.0
    form: Format = "percent" if asked and own.is_fraction else "value"
    metric = own.without_split if asked else "loss"
    title = f"Validation {metric}"
    training = Panel(
        title="Train, prune, rewind, repeat",
        x=x,
        y=Axis(
            title=title,
            format=form,
            range=(low - 0.12 * space, high + 0.3 * space),
        ),
        traces=[_training(k, found, rounds, curve) for k, curve in enumerate(curves)],
        notes=_notes(rounds, curves, own if asked else None, (low, high)),
        about=f"{title} of {len(rounds)} trainings one after another. The numbers are in a table "
        "below.",
        size="wide",
    )
    drawn = all(one.pixels for one in rounds[1:])
    masks = Panel(
        title="The masks",
        x=x,
        y=Axis(title="Mask", scale="names", names=[" "]),
        rasters=[_image(one, k, rounds[1]) for k, one in enumerate(rounds)] if drawn else (),
        polygons=[]
        if drawn
        else [bar for k, one in enumerate(rounds) for bar in _bars(one, k, found)],
        about="The mask of each round: " + (PIXELS if drawn else LAYERS),
        size="wide",
    )
    return Picture(
        key="procedure",
        title="The procedure",
        panels=[training, masks],
        note=NOTE.format(
            name=found.name,
            seed=found.seed,
            metric=metric,
            test=TEST.format(metric) if asked else "",
            below=PIXELS if drawn else LAYERS,
        ),
    )


def _training(
    k: int, found: Procedure, rounds: Sequence[ProcedureRound], curve: Sequence[float]
) -> Trace:
    last = max(step for other in rounds for step in other.step) or 1
    return Trace(
        name=DENSE if k == 0 else found.name,
        control="none",
        look="curve",
        x=[k - HALF + 2 * HALF * step / last for step in rounds[k].step],
        y=curve,
    )


def _notes(
    rounds: Sequence[ProcedureRound],
    curves: Sequence[Sequence[float]],
    own: Measure | None,
    ends: tuple[float, float],
) -> list[Remark]:
    """`own`: the measure of the rounds' scores, None where these are not shown."""
    low, high = ends
    space = (high - low) or 1.0
    notes = []
    for k, one in enumerate(rounds):
        if own is not None and one.score is not None:
            score = f"{own.value(one.score)}{own.value_unit}"
            notes.append(Remark(text=score, x=float(k), y=high + 0.08 * space))
    last = max(step for one in rounds for step in one.step)
    bottom, top = low + 0.06 * space, high + 0.22 * space
    notes.append(Remark(text=f"train\n{last:,} steps", x=0.14, y=bottom))
    for k in range(1, len(rounds)):
        before, after = rounds[k - 1], rounds[k]
        notes.append(
            Remark(
                x=k - 1 + HALF, y=curves[k - 1][-1], text="",
                to=(k - HALF + 2 * HALF * after.step[0] / (last or 1), curves[k][0]),
            )
        )  # fmt: skip
        if after.number - before.number > 1:
            notes.append(Remark(text=f"{after.number - before.number} rounds", x=k - 0.5, y=top))
    pruned = 1 - rounds[1].density / rounds[0].density
    point = f"step {rounds[1].start:,}" if rounds[1].start else "initial values"
    if rounds[1].number == 1:
        notes.append(Remark(text=f"prune {100 * pruned:.3g}%", x=0.5, y=top))
    notes.append(Remark(text=f"rewind to\n{point}", x=1.55, y=bottom))
    at = min(3, len(rounds) - 1)
    if at > 1 and rounds[at].number - rounds[at - 1].number == 1:
        notes.append(Remark(text="repeat …", x=at - 0.5, y=top))
    return notes


def _image(one: ProcedureRound, k: int, first: ProcedureRound) -> Raster:
    """The map on the scale from 0 to the most that a pixel keeps; the dense network has all of the
    pixels of the first ticket.
    """
    pixels = one.pixels or [1.0] * len(first.pixels)
    most = max(pixels) or 1.0
    colours = [_colour(value / most) for value in pixels]
    rows = [colours[i : i + first.width] for i in range(0, len(colours), first.width)]
    return Raster(rows, (k - HALF, k + HALF), (-0.45, 0.45))


def _colour(share: float) -> tuple[int, int, int]:
    """Of the scale of matrices, between its stops."""
    place = min(1.0, max(0.0, share)) * (len(HEAT) - 1)
    at = min(len(HEAT) - 2, int(place))
    ends = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in HEAT[at : at + 2]]
    red, green, blue = (round(a + (b - a) * (place - at)) for a, b in zip(*ends, strict=True))
    return red, green, blue


def _bars(one: ProcedureRound, k: int, found: Procedure) -> list[Polygon]:
    """A bar a layer, from the top: grey as a whole, in colour what is kept."""
    n = len(one.kept)
    bars = []
    for i, kept in enumerate(one.kept):
        top, bottom = 0.45 - 0.9 * i / n, 0.45 - 0.9 * (i + 0.8) / n
        for name, share in ((LACKING, 1.0), (DENSE if k == 0 else found.name, kept)):
            left, right = k - HALF, k - HALF + 2 * HALF * share
            bars.append(
                Polygon(name=name, x=[left, right, right, left], y=[bottom, bottom, top, top])
            )
    return bars
