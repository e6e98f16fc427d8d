"""The leaderboard of a task: every density, method and control, to sort and to filter."""

from __future__ import annotations

from lth_bench.analysis.boards.notes import marked
from lth_bench.analysis.numbers import count, percent
from lth_bench.analysis.table import Cell, Style
from lth_bench.output.page.content import Column, Facet, Grid, Row, Section
from lth_bench.output.page.known import Standing, TaskKnown
from lth_bench.output.page.sections.verdicts import detects_cell, short_cell
from lth_bench.output.page.words import left, plus_minus, signed

COLUMNS = (
    Column("left %", "weights kept"),
    Column("#", "rank at this density, and the ranks it could truly have", ascending=True),
    Column("method", numeric=False),
    Column("accuracy %", "test, mean ± 95% interval over the seeds"),
    Column("Δ dense", "mean difference to the dense run of the same seed, in points"),
    Column("verdict", "against the dense run of the same seeds; open ~4–7: not shown yet, 4 seeds "
           "would settle it in 1 of 2 cases, 7 in 4 of 5", numeric=False),
    Column("detects", "true difference that so many seeds show in 4 of 5 cases, in points",
           ascending=True),
    Column("n", "seeds that ended ok, of those planned"),
    Column("stop", "step of minimum validation loss", ascending=True),
    Column("there %", "test accuracy at that step"),
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


def ranking(known: TaskKnown) -> Section:
    """One grid."""
    controls = sorted({s.sample.control for s in known.standings} - {"none"})
    densities = known.densities
    columns = list(COLUMNS)
    tuned = any(s.row["tuning_steps"] is not None for s in known.standings)
    if tuned:
        columns.append(TUNING)
    if controls:
        columns.insert(7, VERSUS_TICKET)
    rows = []
    before: float | None = None
    for standing in known.standings:
        cells = _cells(standing, with_controls=bool(controls))
        if tuned:
            steps = standing.row["tuning_steps"]
            cells.append(Cell("" if steps is None else count(steps)))
        density = densities.index(standing.density) if standing.density in densities else -1
        kinds = ["none", *controls]
        facets = (-1 if standing.is_dense else density, kinds.index(standing.sample.control))
        style: Style = "dense" if standing.is_dense else "" if standing.is_ticket else "dim"
        rows.append(Row(cells, facets, first=before != standing.density, style=style))
        before = standing.density
    facets_shown = [Facet("left %", [left(d) for d in densities])]
    if controls:
        facets_shown.append(Facet("show", ["tickets", *controls], many=True))
    return Section(
        "ranking",
        "Leaderboard",
        [
            Grid(
                f"Every density and method{' and control' if controls else ''}",
                columns, rows, facets_shown, head=2, searched=True,
                notes=[f"{known.collapses}."] if known.collapses else [],
            )
        ],
    )  # fmt: skip


def _cells(standing: Standing, with_controls: bool) -> list[Cell]:
    row = standing.row
    ok = row["n"] > 0
    best: Style = "best" if standing.is_ticket and row["rank"] == 1 else ""
    delta = row["delta_dense"] if not standing.is_dense else None
    cells = [
        Cell(left(standing.density)),
        Cell(_rank(standing), best),
        Cell(_name(standing), best),
        Cell(marked(_accuracy(standing), row), best if ok else "warn"),
        Cell("" if delta is None else signed(delta, _reach(delta, row["delta_high"]))),
        short_cell(standing.verdict),
        detects_cell(standing.verdict),
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
