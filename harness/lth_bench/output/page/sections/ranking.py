"""The leaderboard of a task, to sort and to filter, and what did not end ok."""

from __future__ import annotations

from lth_bench.analysis.boards.notes import marked
from lth_bench.analysis.numbers import count, percent
from lth_bench.analysis.page import Standing, TaskReport
from lth_bench.analysis.table import Cell, Style
from lth_bench.output.page.content import Column, Grid, GridRow, RowFilter, Section, verdict_cell
from lth_bench.output.words import plus_minus, remaining, signed, spans

COLUMNS = (
    Column("density %", "weights kept"),
    Column("#", "rank at this density, and the 95% interval of the rank", ascending=True),
    Column("method", numeric=False),
    Column("accuracy %", "test, mean ± 95% interval over the seeds"),
    Column("Δ dense", "mean difference to the dense run of the same seed, in points"),
    Column("verdict", "against the dense run of the same seeds; open ~4–7: not shown yet, 4 seeds "
           "would settle it in 1 of 2 cases, 7 in 4 of 5", numeric=False),
    Column("detects", "true difference that so many seeds show in 4 of 5 cases, in points",
           ascending=True),
    Column("n", "seeds that ended ok, of those planned"),
    Column("early stop", "step of minimum validation loss", ascending=True),
    Column("early stop %", "test accuracy at that step"),
    Column("train", "steps of the ticket's own training", ascending=True),
    Column("search", "steps to find it, without sharing", ascending=True),
    Column("FLOPs", "of both if pruned weights cost nothing, as a multiple of the dense run's",
           ascending=True),
)  # fmt: skip
VERSUS_TICKET = Column("Δ ticket", "a control's difference to its own ticket, in points")

TUNING = Column(
    "tuning", "steps that the search for its parameters took, without sharing",
    ascending=True,
)  # fmt: skip


def ranking(task: TaskReport) -> Section:
    """One grid."""
    controls = sorted({s.sample.control for s in task.standings} - {"none"})
    densities = task.densities
    columns = list(COLUMNS)
    tuned = any(s.row["tuning_steps"] is not None for s in task.standings)
    if tuned:
        columns.append(TUNING)
    if controls:
        columns.insert(7, VERSUS_TICKET)
    rows = []
    before: float | None = None
    for standing in task.standings:
        cells = _cells(standing, with_controls=bool(controls))
        if tuned:
            steps = standing.row["tuning_steps"]
            cells.append(Cell("" if steps is None else count(steps)))
        density = densities.index(standing.density) if standing.density in densities else -1
        kinds = ["none", *controls]
        facets = (-1 if standing.is_dense else density, kinds.index(standing.sample.control))
        style: Style = "dense" if standing.is_dense else "" if standing.is_ticket else "dim"
        rows.append(GridRow(cells, facets, first=before != standing.density, style=style))
        before = standing.density
    facets_shown = [RowFilter("density %", [remaining(d) for d in densities])]
    if controls:
        facets_shown.append(RowFilter("show", ["tickets", *controls], many=True))
    return Section(
        "ranking",
        "Leaderboard",
        [
            Grid(
                caption=f"Every density and method{' and control' if controls else ''}",
                columns=columns, rows=rows, facets=facets_shown, head=2, searched=True,
                notes=[f"{task.collapses}."] if task.collapses else [],
            )
        ],
    )  # fmt: skip


def _cells(standing: Standing, with_controls: bool) -> list[Cell]:
    row = standing.row
    ok = row["n"] > 0
    best: Style = "best" if standing.is_ticket and row["rank"] == 1 else ""
    delta = row["delta_dense"] if not standing.is_dense else None
    cells = [
        Cell(remaining(standing.density)),
        Cell(_rank(standing), best),
        Cell(_name(standing), best),
        Cell(marked(_accuracy(standing), row), best if ok else "warn"),
        Cell("" if delta is None else signed(delta, _reach(delta, row["delta_high"]))),
        verdict_cell(standing.verdict, short=True),
        _detects(standing),
        Cell(str(row["n"]) if row["n"] == row["planned"] else f"{row['n']}/{row['planned']}"),
        Cell(count(row["early_stop_step"]) if ok else ""),
        Cell("" if row["early_stop_accuracy"] is None else percent(row["early_stop_accuracy"])),
        Cell(count(row["steps"]) if ok else ""),
        Cell(count(row["search_steps"]) if ok else ""),
        Cell(_ratio(row["flops_masked_ratio"])),
    ]
    if with_controls:
        own = standing.versus_ticket
        cells.insert(7, Cell("" if own is None else signed(own.mean, own.half_width)))
    return cells


def _detects(standing: Standing) -> Cell:
    """The true difference that so many seeds show in 4 of 5 cases, in points."""
    size = None if standing.verdict is None else standing.verdict.detectable
    return Cell("" if size is None else percent(size))


def _rank(standing: Standing) -> str:
    if not standing.is_ticket or standing.row["rank"] is None:
        return ""
    rank = str(standing.row["rank"])
    if standing.places is None:
        return rank
    low, high = standing.places
    return f"{rank} ({low}–{high})" if low < high else rank


def _name(standing: Standing) -> str:
    """The name, and the density it landed at where that is not the one asked for."""
    reached, target = standing.row["density"], standing.density
    if reached is not None and abs(reached - target) > 0.005 * target:
        return f"{standing.name} ({percent(reached)})"
    return standing.name


def _accuracy(standing: Standing) -> str:
    row = standing.row
    if row["mean"] is not None:
        return plus_minus(row["mean"], _reach(row["mean"], row["high"]))
    sample = standing.sample
    counts = {"failed": sample.lost, "skipped": sample.skipped, "to come": sample.missing}
    return ", ".join(f"{len(seeds)} {word}" for word, seeds in counts.items() if seeds)


def _reach(mean: float, high: float | None) -> float | None:
    return None if high is None else high - mean


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


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
