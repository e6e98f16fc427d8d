"""The table's columns: which check fills each, and which cells the fast tests try."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

from lth_bench.training.dispatch.workbench import Workbench
from zoo import checks
from zoo.benches import ZooWorker
from zoo.rows import ROWS, Row


class Subject:
    """A row with what its checks need, made when first asked for."""

    def __init__(self, row: Row, thorough: bool) -> None:
        self.row, self.thorough = row, thorough

    @cached_property
    def refusal(self) -> str | None:
        """Why the network cannot be used at all."""
        return self._found if isinstance(self._found, str) else None

    @cached_property
    def bench(self) -> Workbench:
        assert not isinstance(self._found, str)
        return self._found

    @cached_property
    def _found(self) -> Workbench | str:
        return checks.row_bench(self.row)

    @cached_property
    def worker(self) -> ZooWorker:
        return ZooWorker(self.row)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cohort sizes: both, or one of them in turn."""
        return (2, 4) if self.thorough else ((2, 4)[list(ROWS).index(self.row.name) % 2],)

    @property
    def most(self) -> int:
        """Connections that are tried one by one, of each mask."""
        return 10_000 if self.thorough else 12

    def cell(self, column: str) -> str:
        """`equal`, `refused: …`, `ok; …`: what the table says of this row, its reason included."""
        found = self.refusal or COLUMNS[column](self)
        # what torch says of shapes is its own affair
        return re.sub(
            r"(it fails with some units cut out) \(.*?\)\. ", r"\1. ", found, flags=re.DOTALL
        )


def _resumes(subject: Subject) -> str:
    cells = {checks.resumes(subject.bench, subject.row, size) for size in subject.sizes}
    (cell,) = cells
    return cell


def _plays(strategy: str, subject: Subject) -> str:
    if strategy in checks.SMALL_ONLY and subject.row.family == "torchvision":
        return "–"
    return checks.plays(subject.worker, strategy)


COLUMNS: Mapping[str, Callable[[Subject], str]] = {
    "alone": lambda s: checks.trains_alone(s.bench, s.row),
    "stacked": lambda s: checks.trains_stacked(s.bench, s.row, s.sizes),
    "resumed": _resumes,
    "FLOPs": lambda s: checks.counts_flops(s.bench, s.row),
    "connected": lambda s: checks.dense_density(s.bench, s.row),
    "paths": lambda s: checks.follows_paths(s.bench, s.row, s.most),
    "units": lambda s: checks.shrinks(s.bench, s.row),
    **{name: partial(_plays, name) for name in checks.STRATEGIES},
}


def in_pairs(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Row → columns to try, so that every family meets every column, and every row at least one.
    Of rows that take long only what is quick is tried.
    """
    found: dict[str, list[str]] = {row.name: [] for row in rows}
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row)
    for k, family in enumerate(families.values()):
        light = [row for row in family if not row.heavy]
        for j, column in enumerate(COLUMNS):
            found[light[(j + k) % len(light)].name].append(column)
    for i, tried in enumerate(found.values()):
        if not tried:
            tried.append(("FLOPs", "connected", "paths")[i % 3])
    return found
