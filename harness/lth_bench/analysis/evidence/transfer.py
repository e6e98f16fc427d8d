"""Tickets trained on other tasks than they were found on, beside the targets' own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.boards.transfer import (
    TaskParts,
    linked,
    short_names,
    sides,
    source,
    target,
    transferred,
)
from lth_bench.analysis.evidence.subject import Subject
from lth_bench.analysis.leaderboard import by_metric
from lth_bench.analysis.measures import Measure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


# before anything is summed up: few databases have transferred tickets
ANY_SQL = """
    SELECT 1 FROM cells c JOIN tasks t ON t.task = c.task
    WHERE (c.source_model, c.source_dataset, c.source_recipe) <> (t.model, t.dataset, t.recipe)
    LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class TransferCell:
    """Tickets of one source on one target."""

    mean: float | None
    """Over the seeds that ended ok; None without any."""
    high: float | None
    """Upper end of its 95% t-interval; None at one seed."""
    difference: float | None
    """Mean difference, seed by seed, to the target's own tickets; None of these themselves, and
    where there are none."""
    difference_high: float | None
    """Upper end of its 95% t-interval; None at one pair."""
    n: int
    """Seeds behind the difference, or the mean where there is none."""
    lost: int
    """Seeds that failed or diverged."""
    collapsed: int
    """Seeds with layer collapse."""

    @property
    def half(self) -> float | None:
        """Half-width of the interval of the difference, or of the mean where there is none."""
        value, high = (
            (self.mean, self.high)
            if self.difference is None
            else (self.difference, self.difference_high)
        )
        return None if value is None or high is None else high - value


@dataclass(frozen=True, kw_only=True)
class TransferGrid(Subject):
    """One label or control at one density."""

    target_density: float
    """In (0, 1]."""
    cells: Mapping[tuple[int, int], TransferCell]
    """By the numbers of source and target; what was not planned is missing."""


@dataclass(frozen=True, kw_only=True)
class TransferGrids:
    """All grids of the tasks of a suite among which tickets are transferred."""

    suite: str
    measure: Measure
    shared: Sequence[str]
    """Of model, dataset and recipe, those that are the same for all of these tasks."""
    sources: Sequence[str]
    """Tasks that tickets were found on, by the parts in which the tasks differ."""
    targets: Sequence[str]
    """Tasks that they were trained on."""
    margin: float
    """A difference that does not matter, in the unit of the values."""
    grids: Sequence[TransferGrid]
    """By label, each before its controls, and density, from dense to sparse."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What names it."""
        return (self.suite, *self.shared)

    @property
    def title(self) -> str:
        """SUITE: what the tasks share."""
        return ": ".join(filter(None, (self.suite, ", ".join(self.shared))))


def transfers(
    con: DuckDBPyConnection, suites: Sequence[str] = (), measure: Measure | None = None
) -> list[TransferGrids]:
    """By suite; tasks that no ticket links, or that are judged by other metrics, are apart.

    `measure` is what the grids show; None is each task's primary metric.
    """
    if con.execute(ANY_SQL).fetchone() is None:
        return []
    scope = resolve(con, Selection(suites=suites))
    found = []
    for known, part in [(measure, scope)] if measure is not None else by_metric(con, scope):
        rows = transferred(con, part, known)
        for suite, of_suite in groupby(rows, key=lambda row: str(row["suite"])):
            found += [_transfer(suite, known, group) for group in linked(list(of_suite))]
    return sorted(found, key=lambda one: one.suite)


def _transfer(suite: str, measure: Measure, rows: Sequence[BoardRow]) -> TransferGrids:
    sources, targets = sides(rows)
    tasks = [*sources, *targets]
    names = short_names(tasks)
    kinds = ("strategy", "label", "control", "target_density")
    grids = [
        TransferGrid(
            **dict(zip(kinds, who, strict=True)), source="", cells=_cells(members, sources, targets)
        )
        for who, members in groupby(rows, key=lambda row: tuple(row[key] for key in kinds))
    ]
    means = [row["mean"] for row in rows if row["mean"] is not None]
    return TransferGrids(
        suite=suite,
        measure=measure,
        margin=measure.margin(None, sum(means) / max(1, len(means))),
        shared=[parts[0] for parts in zip(*tasks, strict=True) if len(set(parts)) == 1],
        sources=[names[task] for task in sources],
        targets=[names[task] for task in targets],
        grids=grids,
    )


def _cells(
    rows: Iterable[BoardRow], sources: Sequence[TaskParts], targets: Sequence[TaskParts]
) -> dict[tuple[int, int], TransferCell]:
    return {(sources.index(source(row)), targets.index(target(row))): _cell(row) for row in rows}


def _cell(row: BoardRow) -> TransferCell:
    moved = source(row) != target(row) and row["difference"] is not None
    return TransferCell(
        mean=row["mean"],
        high=row["high"],
        difference=row["difference"] if moved else None,
        difference_high=row["difference_high"] if moved else None,
        n=row["difference_n"] if moved else row["n"],
        lost=row["lost"],
        collapsed=row["collapsed"],
    )
