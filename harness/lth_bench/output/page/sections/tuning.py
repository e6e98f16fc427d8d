"""What tuning tried, what it found, and what that is worth on data it never saw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any

from lth_bench.analysis.evidence.subject import spread
from lth_bench.analysis.gains import TuningGain
from lth_bench.analysis.measures import Measure, named_once
from lth_bench.analysis.numbers import count, percent
from lth_bench.analysis.page import SuiteReport
from lth_bench.analysis.studies import ranked_trials
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import (
    Column,
    Grid,
    GridRow,
    Name,
    Part,
    Plots,
    Prose,
    Section,
    clean,
    verdict_cell,
)
from lth_bench.output.page.studies import MOST, draw
from lth_bench.output.words import counted, listed, remaining
from lth_bench.store.trials import Study, Trial

DRAWN = 8
"""Studies that are drawn: those with most trials."""

FIELDS = 90_000
"""Fields of all contours of a suite; each takes some 6 bytes."""

ROWS = 40
"""Trials of a study that are listed."""

LONG = 160  # characters of a cell

NOTE = (
    "Figures by Optuna. Values are on the validation split and the study's own seeds. In slices "
    "darker is later. Importance does not say which value is good."
)


def tuning(suite: SuiteReport) -> Section | None:
    """None where nothing was tuned. In a report about another metric than the tasks' own only what
    tuning gained in that metric: the searches have objectives of their own.
    """
    gained = [
        _gained([gain for gain in suite.gains if gain.measure == measure], measure)
        for measure in named_once(gain.measure for gain in suite.gains)
    ]
    if suite.asked is not None:
        return Section("tuning", "Tuning", gained) if gained else None
    if not suite.studies:
        return None
    parts: list[Part] = [Prose([_words(suite.studies)]), *gained]
    parts.append(_studies(suite.studies))
    most = sorted(suite.studies, key=lambda s: (-len(s.complete), s.study_id))[:DRAWN]
    drawn = [study for study in suite.studies if study in most and study.complete]
    if len(drawn) < len(suite.studies):
        text = f"{len(drawn)} of {counted(len(suite.studies), 'study', 'studies')} are drawn"
        parts.append(Prose([f"{text}, those with most trials that have a value."], "quiet"))
    fields = isqrt(FIELDS // max(1, 3 * len(drawn)))
    for study in drawn:
        parts += _drawn(study, max(20, min(MOST, fields)))
    return Section("tuning", "Tuning", parts)


def _words(studies: Sequence[Study]) -> str:
    trials = sum(len(study.trials) for study in studies)
    steps = sum(study.steps for study in studies)
    return (
        f"{counted(len(studies), 'study', 'studies')} with {counted(trials, 'trial')} took "
        f"{count(steps)} training steps, without sharing. They saw the validation split "
        "and seeds of their own, never the test data. Trial 0 is the suite's own settings."
    )


def _gained(gains: Sequence[TuningGain], measure: Measure) -> Grid:
    """Tuned against the suite's own settings, on the reported seeds and the test data."""
    rows = [
        GridRow(_gain(gain, measure), first=index == 0 or gains[index - 1].task != gain.task)
        for index, gain in enumerate(gains)
    ]
    unit = measure.value_unit
    points = f", in {measure.difference_unit}" if measure.difference_unit else ""
    levels = " or ".join(f"{100 * x:.4g}%" for x in sorted({gain.level for gain in gains}))
    columns = (
        Column("task", numeric=False),
        Column("method", numeric=False),
        Column("density %", "weights kept"),
        Column(f"own settings {unit}".rstrip(), f"{measure.words} at the suite's own settings"),
        Column(f"tuned {unit}".rstrip(), f"{measure.words} with what tuning found"),
        Column("tuned − own", f"mean difference, seed by seed{points}, ± {levels} interval"),
        Column("verdict", "of tuned against own settings", numeric=False),
        Column("n", "pairs of seeds"),
        Column("tuning", "training steps of the search"),
    )
    caption = f"What tuning gained: {measure.words} on seeds that no trial used"
    return Grid(caption=caption, columns=columns, rows=rows, head=1)


def _gain(gain: TuningGain, measure: Measure) -> list[Cell]:
    own, tuned = (
        "" if one is None else measure.with_half(one.mean, one.high)
        for one in (gain.own, gain.tuned)
    )
    change = gain.difference
    return [
        Cell(gain.task),
        Cell(gain.name),
        Cell(remaining(gain.density)),
        Cell(own),
        Cell(tuned),
        Cell("" if change is None else measure.difference_with_half(change.mean, change.high)),
        verdict_cell(gain.verdict),
        Cell(str(gain.pairs)),
        Cell("" if gain.steps is None else count(gain.steps)),
    ]


def _studies(studies: Sequence[Study]) -> Grid:
    columns = (
        Column("task", numeric=False),
        Column("method", numeric=False),
        Column("for", "what the search is for", numeric=False),
        Column("density %", "densities at which it was scored", numeric=False),
        Column("trials", "with a value; given up early; failed"),
        Column("own", "value of the suite's own settings", numeric=False),
        Column("best", "best value; of two objectives, the front's best by the first",
               numeric=False),
        Column("trial", "number of the best trial", ascending=True),
        Column("parameters", "of the best trial", numeric=False),
        Column("steps", "training steps, without sharing", ascending=True),
        Column("seconds", "of its trials", ascending=True),
        Column("by", "sampler, pruner and budget", numeric=False),
    )  # fmt: skip
    return Grid(
        caption="Studies", columns=columns, rows=[GridRow(_study(s)) for s in studies], head=1
    )


def _study(study: Study) -> list[Cell]:
    best, own = study.best, study.default
    states = [sum(t.state == state for t in study.trials) for state in ("pruned", "failed")]
    budget = ", ".join(f"{value} {key}" for key, value in study.budget.items())
    pruner = study.pruner if study.pruner not in ("", "none") else ""
    return [
        Cell(clean(" on ".join(study.task[:2]) + f", {study.recipe}")),
        Cell(clean(study.label)),
        Cell(clean(listed(study.objectives))),
        Cell(", ".join(remaining(density) for density in spread(study.densities, 4))),
        Cell("; ".join(f"{n:,}" for n in (len(study.complete), *states))),
        Cell("" if own is None else _values(study, own)),
        Cell("" if best is None else _values(study, best), "best"),
        Cell("" if best is None else str(best.number)),
        Cell("" if best is None else _params(best.params)),
        Cell(count(study.steps)),
        Cell(f"{study.seconds:,.0f}"),
        Cell(clean(", ".join(filter(None, (study.sampler, pruner, budget))))[:LONG]),
    ]


def _values(study: Study, trial: Trial) -> str:
    """Accuracies and areas in percent, whatever else with four digits."""
    shares = ("accuracy", "area", "density", "matching")
    return ", ".join(
        f"{percent(value)}%" if name in shares else f"{value:.4g}"
        for name, value in zip(study.objectives, trial.values, strict=False)
    )


def _params(params: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name} {_short(value)}" for name, value in sorted(params.items()))
    text = clean(text)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _drawn(study: Study, most: int) -> list[Part]:
    figures, said = draw(study, most)
    title = f"{study.label} on {study.model}, {study.dataset}, {study.recipe}"
    goal = f", for {listed(study.objectives)}:"
    heading = Prose([Name(study.label), " on ", Name(" ".join(study.task)), goal])
    parts: list[Part] = [heading]
    if figures:
        note = NOTE + "".join(f" {text[:1].upper()}{text[1:]}." for text in said)
        parts.append(Plots(f"Tuning of {clean(title)}", figures, note))
    elif said:
        parts.append(Prose([f"{'; '.join(said)}."], "warn"))
    return [*parts, _trials(study)]


def _trials(study: Study) -> Grid:
    """The front of two objectives and the best by the first."""
    front = {t.number for t in study.front} if len(study.objectives) > 1 else set()
    order = ranked_trials(study)
    names = sorted({name for trial in study.complete for name in trial.params})[:12]
    columns = [
        Column("trial", "in the order they were proposed", ascending=True),
        *(Column(clean(name)) for name in study.objectives),
        *(Column(clean(name)) for name in names),
        Column("steps", "training steps, without sharing", ascending=True),
    ]
    rows = [
        GridRow([
            Cell(f"{trial.number}{' (front)' if trial.number in front else ''}"),
            *(Cell(f"{value:.5g}") for value in trial.values),
            *(Cell(clean(_short(trial.params[n]))[:LONG] if n in trial.params else "")
              for n in names),
            Cell(count(trial.steps)),
        ])
        for trial in order[:ROWS]
    ]  # fmt: skip
    shown = "" if len(order) <= ROWS else f", the best {ROWS} of {len(order)}"
    return Grid(caption=f"Trials with a value{shown}", columns=columns, rows=rows)
