"""A task in words: what was compared, on how many seeds, and what may be said of it. Above the
suites a line for every task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from lth_bench.analysis.boards.layout import difference
from lth_bench.analysis.boards.rows import full_name
from lth_bench.analysis.measures import ACCURACY, Measure, named_once
from lth_bench.analysis.page import SuiteReport, TaskReport
from lth_bench.analysis.page.facts import MOST_SEEDS
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import (
    Column,
    Grid,
    GridRow,
    Name,
    Part,
    Prose,
    ProsePiece,
    Section,
    named,
    verdict_cell,
)
from lth_bench.output.words import counted, listed, remaining, spans


def summary(task: TaskReport) -> Section:
    """Sentences, and the best ticket of each density."""
    parts: list[Part] = [Prose(_compared(task)), *_unfinished(task)]
    for key, words in NOTES.items():
        if key in task.notes:
            parts.append(Prose([f"{words} {task.notes[key]}."], "warn"))
    if task.evidence.bounds:
        words = f"Seeds that {task.evidence.bounds}; verdicts on them are sign tests of the order."
        parts.append(Prose([words], "warn"))
    if not task.has_baseline:
        parts.append(Prose(["There is no result of ", *_baseline(task), " to compare with."],
                           "warn"))  # fmt: skip
    elif any(s.row["n"] for s in task.standings if s.is_ticket):
        parts += [*_dense(task), *_matching(task), *_seeds(task)]
    if any(s.is_ticket and s.row["n"] for s in task.standings):
        parts.append(_best(task))
    return Section("summary", "Summary", parts)


NOTES = {
    "unlike": "The rows are",
    "share": "Of the network,",
    "starts": "The",
    "ablations": "Controls:",
}
"""What introduces each of a task's remarks."""


def _baseline(task: TaskReport) -> list[ProsePiece]:
    return [task.against if task.versus == "dense" else Name(task.against)]


def _compared(task: TaskReport) -> list[ProsePiece]:
    tickets = task.tickets
    seeds = sorted({seed for s in task.standings for seed in s.seeds})
    if not tickets:
        return [f"The dense run alone, on {counted(len(seeds), 'seed')} ({spans(seeds)})."]
    there = {s.name for s in tickets}
    order = [line.name for line in task.evidence.density[task.measure.name]]  # the suite's
    names = [*dict.fromkeys(n for n in [*order, *sorted(s.name for s in tickets)] if n in there)]
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


_CONTROLS = {
    "reinit": "re-initialised copies",
    "reinit_at_rewind": "copies re-initialised at the rewind step",
    "reinit_same_signs": "copies re-initialised with the same signs",
    "random_signs": "copies with random signs",
    "shuffle": "copies with a shuffled mask",
    "random_layers": "random masks of the same layer densities",
    "moved_values": "copies with mask and values shuffled together within each layer",
    "shuffle_global": "copies with a mask shuffled over all layers",
    "reorder": "copies trained in another data order",
}


def _unfinished(task: TaskReport) -> list[Part]:
    """Results that are failed, skipped or pending."""
    found = task.counts
    if found["n"] == found["planned"]:
        return []
    words = {"failed": "failed", "skipped": "were skipped", "pending": "are still to come"}
    rest = listed([f"{found[key]:,} {what}" for key, what in words.items() if found[key]])
    planned = counted(found["planned"], "result")
    return [Prose([f"{found['n']:,} of {planned} are in; {rest}."], "warn")]


def _dense(task: TaskReport) -> list[Part]:
    """What the dense network reaches, and what is compared with instead of it."""
    found: list[Part] = []
    row = None if task.dense is None else task.dense.row
    if row is not None and row["n"]:
        measure = task.measure
        sign = "%" if measure.is_fraction else f" {measure.unit}".rstrip()
        text = f"The dense network has a {measure.words} of {measure.value(row['mean'])}{sign}"
        if row["low"] is not None:
            low, high = (measure.value(row[key]) + sign for key in ("low", "high"))
            text += f" (95% interval {low} to {high})"
        found.append(Prose([f"{text}."]))
    if task.versus != "dense":
        found.append(Prose(["Methods are compared with ", *_baseline(task),
                            ", the baseline of the suite."]))  # fmt: skip
    return found


def _matching(task: TaskReport) -> list[Part]:
    """The sparsest tickets that match the baseline, as far as the seeds can show it."""
    side = "below" if task.measure.higher else "above"
    limit: list[ProsePiece] = [f"shown to be less than {task.margin} {side} ", *_baseline(task)]
    holding = [row for row in task.matching if row["shown_density"] is not None]
    if not holding:
        return [Prose(["No ticket is ", *limit, "."])]
    first, *rest = limit
    pieces: list[ProsePiece] = [f"S{str(first)[1:]}", *rest, ": "]
    groups = groupby(holding, lambda row: float(row["shown_density"]))
    for index, (density, group) in enumerate(groups):
        names = [full_name(row) for row in group]
        pieces += ["; " if index else "", *named(names), f" down to {remaining(density)}%"]
    return [Prose([*pieces, "."])]


def _seeds(task: TaskReport) -> list[Part]:
    """Whether there are enough of them."""
    if not task.undecided:
        return []
    many = len(task.undecided)
    text = f" {'is' if many == 1 else 'are'} open: neither better, worse nor equivalent is shown"
    seeds = task.seeds_to_settle
    if seeds is not None:
        likely = f"{seeds:.0f} seeds" if math.isfinite(seeds) else f"more than {MOST_SEEDS} seeds"
        text += f"; in the median of these {likely} would settle it in 4 of 5 cases"
    compared = counted(len(task.compared), "comparison")
    return [Prose([f"{many} of {compared} with ", *_baseline(task), f"{text}."])]


def _best(task: TaskReport) -> Grid:
    lines = []
    measure = task.measure
    for best in task.best:
        if best.standing is None:
            why = "nothing ended ok here"
            lines.append((Cell(remaining(best.density)), *(Cell(t) for t in (why, "", "", "", ""))))
            continue
        row = best.standing.row
        if best.rivals is None:
            rivals = "not tested: too few seeds"
        else:
            rivals = listed(best.rivals, 5) or "none"
        lines.append((
            Cell(remaining(best.density)),
            Cell(best.standing.name, "best"),
            Cell(measure.with_half(row["mean"], row["high"], row["low"])),
            Cell(difference(row, "", measure).text),
            verdict_cell(row),
            Cell(rivals),
        ))  # fmt: skip
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    split = "test, " if measure == ACCURACY else ""
    best_words = "Highest" if measure.higher else "Lowest"
    return Grid(
        caption=f"{best_words} mean {measure.short.replace('_', ' ')} at each density",
        columns=(
            Column("density %", "weights kept"),
            Column("method", numeric=False),
            Column(measure.column, f"{split}mean ± 95% interval"),
            Column(f"Δ {task.versus}", f"mean difference to {task.against}, seed by seed{unit}"),
            Column("verdict", f"against {task.against}", numeric=False),
            Column("may be best too", "not shown to be worse than the best", numeric=False),
        ),
        rows=[GridRow(cells) for cells in lines],
        head=1,
    )


def overview(suites: Sequence[SuiteReport]) -> tuple[Part, ...]:
    """A line a task. Empty where there is one task only, which has its own summary, and of one
    suite, which opens with such a table.
    """
    if sum(len(suite.tasks) for suite in suites) < 2 or (len(suites) == 1 and suites[0].card):
        return ()
    measures = named_once(measure for suite in suites for measure in suite.measures)
    measure = measures[0] if len(measures) == 1 else None
    rows = []
    for suite in suites:
        for index, task in enumerate(suite.tasks):
            ok, planned = task.counts["n"], task.counts["planned"]
            dense = task.dense
            mean = None if dense is None else dense.row["mean"]
            densities = task.densities
            cells = (
                Cell(suite.name),
                Cell(task.name),
                Cell(str(len({s.name for s in task.tickets}))),
                Cell(", ".join(remaining(d) for d in _ends(densities))),
                Cell(str(max((s.sample.planned for s in task.standings), default=0))),
                Cell("" if mean is None else _dense_value(task.measure, mean, named=not measure)),
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
        Column("dense", "the dense run's mean, and what it is of", numeric=False)
        if measure is None
        else Column(f"dense {measure.value_unit}".rstrip(), f"{measure.words} of the dense run"),
        Column("results"),
    )
    return (Grid(caption="Suites and tasks", columns=columns, rows=rows, head=1),)


def _dense_value(measure: Measure, mean: float, *, named: bool) -> str:
    """As a column of one metric has it, or with unit and name beside others."""
    text = measure.value(mean)
    if not named:
        return text
    unit = "%" if measure.is_fraction else f" {measure.unit}".rstrip()
    return f"{text}{unit} {measure.words}"


def _ends(densities: Sequence[float]) -> list[float]:
    """Few densities as they are, many as the first and the last."""
    return list(densities) if len(densities) <= 6 else [densities[0], densities[-1]]
