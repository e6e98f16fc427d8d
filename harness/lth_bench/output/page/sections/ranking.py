"""The leaderboard of a task, to sort and to filter, and what did not end ok."""

from __future__ import annotations

from lth_bench.analysis.boards.censoring import bounded
from lth_bench.analysis.boards.layout import detects, difference, place, seeds
from lth_bench.analysis.boards.notes import marked
from lth_bench.analysis.boards.rows import landed, without_result
from lth_bench.analysis.measures import ACCURACY
from lth_bench.analysis.numbers import count, ratio
from lth_bench.analysis.page import Standing, TaskReport
from lth_bench.analysis.table import Cell, Style
from lth_bench.output.page.content import Column, Grid, GridRow, RowFilter, Section
from lth_bench.output.words import remaining, spans

TUNING = Column(
    "tuning", "steps that the search for its parameters took, without sharing",
    ascending=True,
)  # fmt: skip


def columns_of(task: TaskReport) -> list[Column]:
    """Those of every task: what they are called depends on its metric and its baseline."""
    measure = task.measure
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    split = "test, " if measure == ACCURACY else f"{measure.direction}; "
    found = [
        Column("density %", "weights kept"),
        Column("#", "rank at this density; 3=: tied with the best, which is not shown to be better",
               ascending=True),
        Column("method", numeric=False),
        Column(measure.column, f"{split}mean ± 95% interval over the seeds",
               ascending=not measure.higher),
        Column(f"Δ {task.versus}", f"mean difference to {task.against}, seed by seed{unit}"),
        Column("verdict", f"against {task.against}, on the same seeds; open ~4–7: not shown yet, 4 "
               "seeds would settle it in 1 of 2 cases, 7 in 4 of 5", numeric=False),
        Column("detects", f"true difference that this many seeds detect with 80% power{unit}",
               ascending=True),
        Column("n", "seeds that ended ok, of those planned"),
        Column("early stop", "step of minimum validation loss", ascending=True),
        Column("train", "steps of the ticket's own training", ascending=True),
        Column("search", "steps to find it, without sharing", ascending=True),
        Column("FLOPs", "of both if pruned weights cost nothing, as a multiple of the dense run's",
               ascending=True),
    ]  # fmt: skip
    if task.has_early_stop:
        unit = measure.value_unit or measure.short
        found.insert(9, Column(f"early stop {unit}", f"{measure.words} at that step"))
    if _controls(task):
        about = f"a control's difference to its own ticket{unit}"
        found.insert(7, Column("Δ ticket", about))
    if _tuned(task):
        found.append(TUNING)
    return found


def ranking(task: TaskReport) -> Section:
    """One grid."""
    controls = _controls(task)
    densities = task.densities
    rows = []
    before: float | None = None
    for standing in task.standings:
        density = densities.index(standing.density) if standing.density in densities else -1
        kinds = ["none", *controls]
        facets = (-1 if standing.is_dense else density, kinds.index(standing.sample.control))
        style: Style = "dense" if standing.is_dense else "" if standing.is_ticket else "dim"
        cells = _cells(standing, task)
        rows.append(GridRow(cells, facets, first=before != standing.density, style=style))
        before = standing.density
    facets_shown = [RowFilter("density %", [remaining(d) for d in densities])]
    if controls:
        facets_shown.append(RowFilter("show", ["tickets", *controls], many=True))
    collapses = task.notes.get("collapses")
    return Section(
        "ranking",
        "Leaderboard",
        [
            Grid(
                caption=f"Every density and method{' and control' if controls else ''}",
                columns=columns_of(task), rows=rows, facets=facets_shown, head=2, searched=True,
                notes=[f"{collapses}."] if collapses else [],
            )
        ],
    )  # fmt: skip


def _controls(task: TaskReport) -> list[str]:
    return sorted({s.sample.control for s in task.standings} - {"none"})


def _tuned(task: TaskReport) -> bool:
    return any(s.row["tuning_steps"] is not None for s in task.standings)


def _cells(standing: Standing, task: TaskReport) -> list[Cell]:
    row, measure = standing.row, task.measure
    ok = row["n"] > 0
    best: Style = "best" if standing.is_ticket and row["rank"] == 1 else ""
    mean = (
        bounded(measure.with_half(row["mean"], row["high"], row["low"]), row)
        if ok
        else without_result(row)
    )
    cells = [
        Cell(remaining(standing.density)),
        Cell(place(row), best),
        Cell(standing.name + landed(row), best),
        Cell(marked(mean, row), best if ok else "warn"),
        Cell(difference(row, "", measure).text),
        Cell((verdict := task.words.cell(row)).text, verdict.style),
        detects(row, "", measure),
        Cell(seeds(row)),
        Cell(count(row["early_stop_step"]) if ok else ""),
        Cell(count(row["steps"]) if ok else ""),
        Cell(count(row["search_steps"]) if ok else ""),
        Cell("" if (x := row["flops_masked_ratio"]) is None else ratio(x)),
    ]
    if task.has_early_stop:
        at_stop = row["early_stop_score"]
        cells.insert(9, Cell("" if at_stop is None else measure.value(at_stop)))
    if _controls(task):
        own = standing.versus_ticket
        text = "" if own is None else measure.difference_with_half(own.mean, own.high)
        cells.insert(7, Cell(text))
    if _tuned(task):
        steps = row["tuning_steps"]
        cells.append(Cell("" if steps is None else count(steps)))
    return cells


LONGEST = 2000
"""Characters of a reason that are shown; `lth-bench show ID` has the rest."""

STYLES: dict[str, Style] = {"failed": "bad", "diverged": "bad", "skipped": "dim"}


def failures(task: TaskReport) -> Section | None:
    """A line for everything that went wrong in one way. None where all went well."""
    found = task.evidence.failures
    if not found:
        return None
    statuses = list(dict.fromkeys(one.status for one in found))
    rows = []
    for one in found:
        reason = one.reason
        if len(reason) > LONGEST:
            reason = f"{reason[:LONGEST]} …"
        cells = (
            Cell(one.name),
            Cell(one.status, STYLES.get(one.status, "warn")),
            Cell(f"{one.rows:,}"),
            Cell(", ".join(remaining(d) for d in one.densities)),
            Cell(spans(one.seeds)),
            Cell(one.experiment_id[:10]),
            Cell(reason or "no reason was recorded"),
        )
        rows.append(GridRow(cells, (statuses.index(one.status),)))
    grid = Grid(
        caption="What did not end ok, and why",
        columns=(
            Column("method", numeric=False),
            Column("status", numeric=False),
            Column("rows", "seeds × densities"),
            Column("density %", numeric=False),
            Column("seeds", numeric=False),
            Column("for example", "an experiment, for `lth-bench show`", numeric=False),
            Column("reason", numeric=False),
        ),
        rows=rows,
        facets=[RowFilter("status", statuses)] if len(statuses) > 1 else [],
        searched=len(rows) > 5,
        notes=["How failures count is said under How to read this."],
    )
    return Section("failures", "Failures", [grid])
