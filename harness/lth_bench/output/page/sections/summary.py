"""A task in words: what was compared, on how many seeds, and what may be said of it. Above the
suites a line for every task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from lth_bench.analysis.numbers import percent
from lth_bench.analysis.page import Standing, SuiteReport, TaskReport
from lth_bench.analysis.page.facts import MOST_SEEDS
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import (
    Column,
    Grid,
    GridRow,
    Part,
    Prose,
    ProsePiece,
    Section,
    named,
    verdict_cell,
)
from lth_bench.output.words import counted, listed, plus_minus, remaining, signed, spans


def summary(task: TaskReport) -> Section:
    """Sentences, and the best ticket of each density."""
    parts: list[Part] = [Prose(_compared(task)), *_unfinished(task)]
    if task.unlike:
        parts.append(Prose([f"The rows are {task.unlike}."], "warn"))
    if task.share:
        parts.append(Prose([f"Of the network, {task.share}."], "warn"))
    if task.ablations:
        parts.append(Prose([f"Controls: {task.ablations}."], "warn"))
    if task.dense is None or not task.dense.row["n"]:
        parts.append(Prose(["There is no result of the dense run to compare with."], "warn"))
    elif any(s.row["n"] for s in task.standings if s.is_ticket):
        parts += [Prose(_dense(task.dense)), *_matching(task), *_seeds(task)]
    if any(s.is_ticket and s.row["n"] for s in task.standings):
        parts.append(_best(task))
    return Section("summary", "Summary", parts)


def _compared(task: TaskReport) -> list[ProsePiece]:
    tickets = task.tickets
    seeds = sorted({seed for s in task.standings for seed in s.seeds})
    if not tickets:
        return [f"The dense run alone, on {counted(len(seeds), 'seed')} ({spans(seeds)})."]
    names = sorted({s.name for s in tickets})
    densities = task.densities
    first, last = remaining(densities[0]), remaining(densities[-1])
    where = (
        f" at {first}% of the weights"
        if len(densities) == 1
        else f" at {len(densities)} densities, from {first}% of the weights down to {last}%"
    )
    controls = sorted({s.sample.control for s in task.standings} - {"none"})
    words = listed([_CONTROLS.get(control, control) for control in controls])
    beside = f", with {words} as controls" if controls else ""
    return [
        f"{counted(len(names), 'method')} (",
        *named(names, 10),
        f"){where}, on {counted(len(seeds), 'seed')} ({spans(seeds)}){beside}.",
    ]


_CONTROLS = {"reinit": "re-initialised copies", "shuffle": "copies with a shuffled mask"}


def _unfinished(task: TaskReport) -> list[Part]:
    """Results that are failed, skipped or pending."""
    there = sum(len(s.sample.values) for s in task.standings)
    planned = sum(s.sample.planned for s in task.standings)
    if there == planned:
        return []
    rest = {
        "failed": sum(len(s.sample.lost) for s in task.standings),
        "were skipped": sum(len(s.sample.skipped) for s in task.standings),
        "are still to come": sum(len(s.sample.missing) for s in task.standings),
    }
    words = listed([f"{number:,} {what}" for what, number in rest.items() if number])
    text = f"{there:,} of {counted(planned, 'result')} are in; {words}."
    return [Prose([text], "warn")]


def _dense(dense: Standing) -> list[ProsePiece]:
    row = dense.row
    text = f"The dense network reaches {percent(row['mean'])}% test accuracy"
    if row["low"] is not None:
        text += f" (95% interval {percent(row['low'])} to {percent(row['high'])})"
    return [f"{text}."]


def _matching(task: TaskReport) -> list[Part]:
    """The sparsest tickets that hold dense accuracy, as far as the seeds can show it."""
    if not task.holding:
        return [Prose(["No ticket is shown to stay within half a point of this accuracy."])]
    pieces: list[ProsePiece] = ["Shown to be less than half a point below it: "]
    groups = [
        (density, [s.name for s in group])
        for density, group in groupby(task.holding, lambda s: s.density)
    ]
    for index, (density, names) in enumerate(groups):
        pieces += ["; " if index else "", *named(names), f" down to {remaining(density)}%"]
    return [Prose([*pieces, "."])]


def _seeds(task: TaskReport) -> list[Part]:
    """Whether there are enough of them."""
    if not task.undecided:
        return []
    many = len(task.undecided)
    text = (
        f"{many} of {counted(len(task.compared), 'comparison')} with dense "
        f"{'is' if many == 1 else 'are'} open: neither better, worse nor equivalent is shown"
    )
    seeds = task.seeds_to_settle
    if seeds is not None:
        likely = f"{seeds:.0f} seeds" if math.isfinite(seeds) else f"more than {MOST_SEEDS} seeds"
        text += f"; in the median of these {likely} would settle it in 4 of 5 cases"
    return [Prose([f"{text}."])]


def _best(task: TaskReport) -> Grid:
    lines = []
    for best in task.best:
        if best.standing is None:
            why = "nothing ended ok here"
            lines.append((Cell(remaining(best.density)), *(Cell(t) for t in (why, "", "", "", ""))))
            continue
        row = best.standing.row
        half = None if row["high"] is None else row["high"] - row["mean"]
        delta = row["delta_dense"]
        reach = None if row["delta_high"] is None else row["delta_high"] - delta
        if best.rivals is None:
            rivals = "not tested: too few seeds"
        else:
            rivals = listed(best.rivals, 5) or "none"
        lines.append((
            Cell(remaining(best.density)),
            Cell(best.standing.name, "best"),
            Cell(plus_minus(row["mean"], half)),
            Cell("" if delta is None else signed(delta, reach)),
            verdict_cell(best.standing.verdict),
            Cell(rivals),
        ))  # fmt: skip
    return Grid(
        caption="Highest mean accuracy at each density",
        columns=(
            Column("density %", "weights kept"),
            Column("method", numeric=False),
            Column("accuracy %", "test, mean ± 95% interval"),
            Column("Δ dense", "mean difference to the dense run of the same seed, in points"),
            Column("verdict", "against dense", numeric=False),
            Column("may be best too", "not shown to be worse than the best", numeric=False),
        ),
        rows=[GridRow(cells) for cells in lines],
        head=1,
    )


def overview(suites: Sequence[SuiteReport]) -> tuple[Part, ...]:
    """A line a task. Empty where there is one task only, which has its own summary."""
    if sum(len(suite.tasks) for suite in suites) < 2:
        return ()
    rows = []
    for suite in suites:
        for index, task in enumerate(suite.tasks):
            ok = sum(s.row["n"] for s in task.standings)
            planned = sum(s.row["planned"] for s in task.standings)
            dense = task.dense
            mean = None if dense is None else dense.row["mean"]
            densities = task.densities
            cells = (
                Cell(suite.name),
                Cell(task.place.task.title),
                Cell(str(len({s.name for s in task.tickets}))),
                Cell(", ".join(remaining(d) for d in _ends(densities))),
                Cell(str(max((s.sample.planned for s in task.standings), default=0))),
                Cell("" if mean is None else percent(mean)),
                Cell(f"{ok:,}" if ok == planned else f"{ok:,}/{planned:,}",
                     "" if ok == planned else "warn"),
            )  # fmt: skip
            rows.append(GridRow(cells, first=index == 0))
    columns = (
        Column("suite", numeric=False),
        Column("task", numeric=False),
        Column("methods"),
        Column("density %", numeric=False),
        Column("seeds"),
        Column("dense %", "test accuracy of the dense run"),
        Column("results"),
    )
    return (Grid(caption="Suites and tasks", columns=columns, rows=rows, head=1),)


def _ends(densities: Sequence[float]) -> list[float]:
    """Few densities as they are, many as the first and the last."""
    return list(densities) if len(densities) <= 6 else [densities[0], densities[-1]]
