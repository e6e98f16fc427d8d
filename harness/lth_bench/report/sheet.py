"""The leaderboard of one task as text cells, whatever it is then printed as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from lth_bench.report.printable import printable
from lth_bench.report.rows import Row
from lth_bench.report.table import Board, Cell, Style, Table

HEADER = (
    "left %", "#", "strategy", "accuracy %", "Δ dense", "n", "stop", "train", "search", "FLOPs",
)  # fmt: skip

LEGEND = (
    "left: weights kept. accuracy: test, mean ± 95% t-interval over the seeds. Δ dense: mean "
    "difference to the dense run of the same seed, in points. n: seeds. stop: step of minimum "
    "validation loss. train, search: steps of the ticket's training, and to find it. FLOPs: of "
    "both, if pruned weights cost nothing, as a multiple of the dense run's."
)

Kind = Literal["dense", "ranked", "control"]
LINE_STYLE: dict[Kind, Style] = {"dense": "dense", "ranked": "", "control": "dim"}


@dataclass(frozen=True)
class Line:
    """One row of a sheet."""

    kind: Kind
    density: str
    rank: str
    strategy: str
    accuracy: str
    delta: str
    delta_interval: str
    """What follows ± of the difference; may be dropped where space is short."""
    n: str
    stop: str
    train: str
    search: str
    flops: str
    best: bool = False
    sign: int = 0
    """1 or −1 where the interval of the difference lies wholly above or below 0."""
    missing: bool = False
    """Whether there is no result at all."""

    def cells(self) -> tuple[Cell, ...]:
        """By column of HEADER."""
        whole = LINE_STYLE[self.kind]
        name: Style = "best" if self.best else whole
        delta: Style = whole
        if self.sign and self.kind != "control":
            delta = "good" if self.sign > 0 else "bad"
        long = f"{self.delta} ± {self.delta_interval}" if self.delta_interval else self.delta
        return (
            Cell(self.density, "strong"),
            Cell(self.rank, name),
            Cell(self.strategy, name),
            Cell(self.accuracy, "warn" if self.missing else name),
            Cell(long, delta, short=self.delta),
            *(Cell(text, whole) for text in (self.n, self.stop, self.train, self.search)),
            Cell(self.flops, whole),
        )


@dataclass(frozen=True)
class Sheet:
    """The leaderboard of one task: the dense run, then a block a density."""

    suite: str
    model: str
    dataset: str
    recipe: str
    blocks: list[list[Line]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The task."""
        return printable(f"{self.model} · {self.dataset} · {self.recipe}")

    def table(self) -> Table:
        """The sheet as it is printed."""
        return Table(
            header=HEADER,
            blocks=[[line.cells() for line in block] for block in self.blocks],
            title=self.title,
            group=self.suite,
            left=frozenset({HEADER.index("strategy")}),
            notes=tuple(self.notes),
        )


def board(rows: Sequence[Row]) -> Board:
    """The leaderboard by accuracy."""
    return Board("leaderboard", rows, [sheet.table() for sheet in sheets(rows)], LEGEND)


def sheets(rows: Iterable[Row]) -> list[Sheet]:
    """One sheet a suite and task, in the rows' order; controls under their strategy."""
    found = []
    for (suite, model, dataset, recipe), group in groupby(
        rows, key=lambda r: (r["suite"], r["model"], r["dataset"], r["recipe"])
    ):
        members = list(group)
        sheet = Sheet(suite, model, dataset, recipe, notes=_notes(members))
        for _, block in groupby(members, key=lambda r: r["target_density"]):
            sheet.blocks.append(_block(list(block)))
        found.append(sheet)
    return found


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals."""
    return f"{100 * fraction:.2f}"


def count(number: float | None) -> str:
    """A number of steps, short: 800, 1,200, 62.6k, 1.25M."""
    if number is None:
        return "–"
    if number < 9_999.5:
        return f"{number:,.0f}"
    return f"{number / 1e3:.1f}k" if number < 999_950 else f"{number / 1e6:.2f}M"


def _block(rows: list[Row]) -> list[Line]:
    lines: list[Line] = []
    tickets = [r for r in rows if r["control"] == "none"]
    for ticket in tickets:
        own = [r for r in rows if r["control"] != "none" and _ticket_key(r) == _ticket_key(ticket)]
        for row in (ticket, *own):
            lines.append(_line(row, first=not lines))
    orphans = {_ticket_key(r) for r in rows} - {_ticket_key(t) for t in tickets}
    lines += [_line(r, first=False) for r in rows if _ticket_key(r) in orphans]
    return lines


def _ticket_key(row: Row) -> tuple[str, ...]:
    return (row["label"], row["source_model"], row["source_dataset"], row["source_recipe"])


def _line(row: Row, first: bool) -> Line:
    kind: Kind = "ranked"
    if row["control"] != "none":
        kind = "control"
    elif row["strategy"] == "dense":
        kind = "dense"
    ranked = kind == "ranked" and row["rank"] is not None
    shown = row["delta_dense"] is not None and kind != "dense"
    return Line(
        kind=kind,
        density=percent(row["target_density"]) if first else "",
        rank=str(row["rank"]) if ranked else "",
        strategy=_name(row),
        accuracy=_accuracy(row),
        delta=f"{100 * row['delta_dense']:+.2f}".replace("-", "−") if shown else "",
        delta_interval=_half(row["delta_dense"], row["delta_high"]) if shown else "",
        n=str(row["n"]) if row["n"] == row["planned"] else f"{row['n']}/{row['planned']}",
        stop=count(row["early_stop_step"]) if row["n"] else "",
        train=count(row["steps"]) if row["n"] else "",
        search=count(row["search_steps"]) if row["n"] else "",
        flops=f"{row['flops_masked_ratio']:.2f}" if row["flops_masked_ratio"] is not None else "",
        best=ranked and row["rank"] == 1,
        sign=_sign(row) if shown else 0,
        missing=row["n"] == 0,
    )


def _name(row: Row) -> str:
    if row["control"] != "none":
        return printable(f"└ {row['control']}")
    name = str(row["label"])
    own = (row["model"], row["dataset"], row["recipe"])
    source = (row["source_model"], row["source_dataset"], row["source_recipe"])
    if source != own:
        name += f" from {'/'.join(a for a, b in zip(source, own, strict=True) if a != b)}"
    reached = row["density"]
    # A structured ticket may land below its target, and is then no like-for-like row.
    if reached is not None and abs(reached - row["target_density"]) > 0.005 * row["target_density"]:
        name += f" ({percent(reached)})"
    return printable(name)


def _accuracy(row: Row) -> str:
    if row["mean"] is not None:
        half = _half(row["mean"], row["high"])
        return f"{percent(row['mean'])} ± {half}" if half else percent(row["mean"])
    parts = [
        f"{row[key]} {word}"
        for key, word in (("failed", "failed"), ("skipped", "skipped"), ("pending", "to come"))
        if row[key]
    ]
    return ", ".join(parts)


def _half(mean: float, high: float | None) -> str:
    return percent(high - mean) if high is not None else ""


def _sign(row: Row) -> int:
    if row["delta_low"] is None:
        return 0
    return int(row["delta_low"] > 0) - int(row["delta_high"] < 0)


def _notes(rows: list[Row]) -> list[str]:
    totals = {key: sum(r[key] for r in rows) for key in ("failed", "skipped", "pending")}
    notes = []
    if totals["failed"] or totals["skipped"]:
        notes.append(
            f"{totals['failed']} of {sum(r['planned'] for r in rows)} rows failed and "
            f'{totals["skipped"]} were skipped; why: lth-bench query "FROM failures"'
        )
    if totals["pending"]:
        notes.append(f"{totals['pending']} rows are still to come; run the suite again to go on")
    return notes
