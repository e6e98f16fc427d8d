"""The task in words: what was compared, on how many seeds, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import median

from lth_bench.analysis.numbers import percent
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import Column, Grid, Part, Piece, Prose, Row, Section
from lth_bench.output.page.known import Standing, TaskKnown
from lth_bench.output.page.sections.verdicts import verdict_cell
from lth_bench.output.page.words import counted, left, listed, named, plus_minus, signed, spans
from lth_bench.stats import Verdict, not_worse_p
from lth_bench.stats.predictive import MOST
from lth_bench.stats.verdict import LEAST


def summary(known: TaskKnown) -> Section:
    """Sentences, and the best ticket of each density."""
    parts: list[Part] = [Prose(_compared(known)), *_owed(known)]
    if known.unlike:
        parts.append(Prose([f"The rows are {known.unlike}."], "warn"))
    if known.share:
        parts.append(Prose([f"Of the network, {known.share}."], "warn"))
    if known.ablations:
        parts.append(Prose([f"Controls: {known.ablations}."], "warn"))
    if known.dense is None or not known.dense.row["n"]:
        parts.append(Prose(["There is no result of the dense run to compare with."], "warn"))
    elif any(s.row["n"] for s in known.standings if s.is_ticket):
        parts += [Prose(_dense(known.dense)), *_matching(known), *_seeds(known)]
    if any(s.is_ticket and s.row["n"] for s in known.standings):
        parts.append(_best(known))
    return Section("summary", "Summary", parts)


def _compared(known: TaskKnown) -> list[Piece]:
    tickets = [s for s in known.standings if s.is_ticket]
    seeds = sorted({seed for s in known.standings for seed in _seeds_of(s)})
    if not tickets:
        return [f"The dense run alone, on {counted(len(seeds), 'seed')} ({spans(seeds)})."]
    names = sorted({s.name for s in tickets})
    densities = known.densities
    where = (
        f" at {left(densities[0])}% of the weights"
        if len(densities) == 1
        else f" at {len(densities)} densities, from {left(densities[0])}% of the weights down to "
        f"{left(densities[-1])}%"
    )
    controls = sorted({s.sample.control for s in known.standings} - {"none"})
    words = listed([_CONTROLS.get(control, control) for control in controls])
    beside = f", with {words} as controls" if controls else ""
    return [
        f"{counted(len(names), 'method')} (",
        *named(names, 10),
        f"){where}, on {counted(len(seeds), 'seed')} ({spans(seeds)}){beside}.",
    ]


_CONTROLS = {"reinit": "re-initialised copies", "shuffle": "copies with a shuffled mask"}


def _owed(known: TaskKnown) -> list[Part]:
    """What has not ended ok."""
    there = sum(len(s.sample.values) for s in known.standings)
    planned = sum(s.sample.planned for s in known.standings)
    if there == planned:
        return []
    rest = {
        "failed": sum(len(s.sample.lost) for s in known.standings),
        "were skipped": sum(len(s.sample.skipped) for s in known.standings),
        "are still to come": sum(len(s.sample.missing) for s in known.standings),
    }
    words = listed([f"{number:,} {what}" for what, number in rest.items() if number])
    text = f"{there:,} of {counted(planned, 'result')} are there; {words}."
    return [Prose([text], "warn")]


def _dense(dense: Standing) -> list[Piece]:
    row = dense.row
    text = f"The dense network reaches {percent(row['mean'])}% test accuracy"
    if row["low"] is not None:
        text += f" (95% interval {percent(row['low'])} to {percent(row['high'])})"
    return [f"{text}."]


def _matching(known: TaskKnown) -> list[Part]:
    """The sparsest tickets that hold dense accuracy, as far as the seeds can show it."""
    tickets = [s for s in known.standings if s.is_ticket and s.verdict is not None]
    holding = [s for s in tickets if s.verdict is not None and _holds(s.verdict)]
    if not holding:
        return [Prose(["No ticket is shown to keep this accuracy, less half a point."])]
    sparsest: dict[str, Standing] = {}
    for s in holding:  # from dense to sparse, so the last one stays
        sparsest[s.name] = s
    pieces: list[Piece] = ["Shown to be less than half a point below it: "]
    order = sorted(sparsest.values(), key=lambda s: (s.density, -s.row["mean"]))
    groups = [(d, [s.name for s in group]) for d, group in groupby(order, lambda s: s.density)]
    for index, (density, names) in enumerate(groups):
        pieces += ["; " if index else "", *named(names), f" down to {left(density)}%"]
    return [Prose([*pieces, "."])]


def _holds(verdict: Verdict) -> bool:
    """As the leaderboard by matching has it: a one-sided t-test at 95%, and no seed lost."""
    if verdict.lost or verdict.summary is None or verdict.n < LEAST:
        return False
    return not_worse_p(verdict.summary, verdict.margin) < 0.05


def _seeds(known: TaskKnown) -> list[Part]:
    """Whether there are enough of them."""
    verdicts = [s.verdict for s in known.standings if s.is_ticket and s.verdict is not None]
    short = [v for v in verdicts if v.kind in ("insufficient", "open")]
    if not short:
        return []
    text = (
        f"{len(short)} of {counted(len(verdicts), 'comparison')} with dense "
        f"{'is' if len(short) == 1 else 'are'} open: neither better, worse nor equivalent is shown"
    )
    ahead = [v.forecast.n80 or math.inf for v in short if v.forecast is not None]
    if ahead:
        middle = median(ahead)
        likely = f"{middle:.0f} seeds" if math.isfinite(middle) else f"more than {MOST} seeds"
        text += f"; in the median of these {likely} would settle it in 4 of 5 cases"
    return [Prose([f"{text}."])]


def _best(known: TaskKnown) -> Grid:
    lines = []
    for density in known.densities:
        block = [s for s in known.standings if s.is_ticket and s.density == density]
        ok = [s for s in block if s.row["n"]]
        if not ok:
            why = "nothing ended ok here"
            lines.append((Cell(left(density)), *(Cell(t) for t in (why, "", "", "", ""))))
            continue
        best = min(ok, key=lambda s: s.row["rank"])
        row = best.row
        half = None if row["high"] is None else row["high"] - row["mean"]
        delta = row["delta_dense"]
        reach = None if row["delta_high"] is None else row["delta_high"] - delta
        lines.append((
            Cell(left(density)),
            Cell(best.name, "best"),
            Cell(plus_minus(row["mean"], half)),
            Cell("" if delta is None else signed(delta, reach)),
            verdict_cell(best.verdict),
            Cell(_rivals(best, block)),
        ))  # fmt: skip
    return Grid(
        "Highest mean accuracy at each density",
        (
            Column("left %", "weights kept"),
            Column("method", numeric=False),
            Column("accuracy %", "test, mean ± 95% interval"),
            Column("Δ dense", "mean difference to the dense run of the same seed, in points"),
            Column("verdict", "against dense", numeric=False),
            Column("could be best as well", "not shown to be worse than the best", numeric=False),
        ),
        [Row(cells) for cells in lines],
        head=1,
    )


def _rivals(best: Standing, block: Iterable[Standing]) -> str:
    """Who else could hold the first place."""
    if best.row["n"] < LEAST:
        return "not tested: too few seeds"
    rivals = [s.name for s in block if s is not best and s.places and s.places[0] == 1]
    return listed(rivals, 5) if rivals else "none"


def _seeds_of(standing: Standing) -> Sequence[int]:
    sample = standing.sample
    return [*sample.values, *sample.lost, *sample.skipped, *sample.missing]
