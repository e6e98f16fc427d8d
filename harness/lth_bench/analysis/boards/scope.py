"""What of a database a leaderboard is about: the user's filters, resolved to what they leave.

They are resolved before anything is summed up: of a million tickets, one suite's are then read in
a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.errors import NothingSelected, UnknownName
from lth_bench.store.paths import results_option

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DENSITY_TOLERANCE = 0.005
"""How far, relatively, a density may lie from the one asked for: .21 finds .2107, not .2."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A user's filters. An empty one takes everything."""

    suites: Sequence[str] = ()
    tasks: Sequence[str] = ()
    """MODEL, MODEL/DATASET or MODEL/DATASET/RECIPE, with * and ? as in file names."""
    models: Sequence[str] = ()
    datasets: Sequence[str] = ()
    densities: Sequence[float] = ()
    """Target densities in (0, 1]. The dense run stays with every density."""
    controls: Sequence[str] | None = None
    """Those to show beside the tickets; None is all of them, `none` none."""
    results: Path | None = None
    """The DuckDB file that this selects from, for commands in messages; None where they need not
    name it."""


class SuiteTask(NamedTuple):
    """A task of a suite."""

    suite: str
    model: str
    dataset: str
    recipe: str

    @property
    def name(self) -> str:
        """MODEL/DATASET/RECIPE."""
        return "/".join(self[1:])


@dataclass(frozen=True)
class BoardScope:
    """What a selection leaves."""

    tasks: Mapping[int, SuiteTask]
    """By their number in the database."""
    filters: Mapping[str, Sequence[Any]]
    """Values left of `tasks`, `densities` and `controls`, where not all are."""
    results_option: str = ""
    """What commands in messages end with to read these results, as `store.paths.results_option`
    has it."""

    def of(self, tasks: Sequence[int]) -> BoardScope:
        """These tasks of it."""
        kept = {task: self.tasks[task] for task in tasks}
        return BoardScope(kept, {**self.filters, "tasks": list(tasks)}, self.results_option)

    @property
    def suites(self) -> list[str]:
        """Names, in order."""
        return sorted({task.suite for task in self.tasks.values()})

    def where(self, alias: str, *filters: str) -> str:
        """SQL condition on a table with the columns task, target_density and control.

        `filters` are the ones to apply, by default all. Needs `parameters`.
        """
        return " AND ".join(
            f"{alias}.{_COLUMNS[name]} IN (SELECT unnest(${name}))"
            for name in self.filters
            if not filters or name in filters
        ) or "true"  # fmt: skip

    @property
    def parameters(self) -> dict[str, list[Any]]:
        """Of `where`, by name."""
        return {name: list(values) for name, values in self.filters.items()}


def _plain(label: str) -> str:
    """A label's name without parameters: `conv_bn` of `conv_bn(gamma_init=0.5)`, as `run` takes."""
    return label.partition("(")[0]


_COLUMNS = {"tasks": "task", "densities": "target_density", "controls": "control"}


def resolve(con: DuckDBPyConnection, selection: Selection | None = None) -> BoardScope:
    """What a selection leaves of the database.

    UnknownName for a suite, model, dataset or control that is not there, NothingSelected where
    the filters leave nothing, or no density that was asked for.
    """
    s = selection or Selection()
    everything = {
        number: SuiteTask(*names)
        for number, *names in con.execute(
            "SELECT task, suite, model, dataset, recipe FROM tasks ORDER BY ALL"
        ).fetchall()
    }
    _require_known("suite", s.suites, {task.suite for task in everything.values()})
    for kind, asked in (("model", s.models), ("dataset", s.datasets)):
        labels = {getattr(task, kind) for task in everything.values()}
        _require_known(kind, asked, labels | {_plain(label) for label in labels})
    chosen = {
        number: task
        for number, task in everything.items()
        if (not s.suites or task.suite in s.suites)
        and (not s.models or not {task.model, _plain(task.model)}.isdisjoint(s.models))
        and (not s.datasets or not {task.dataset, _plain(task.dataset)}.isdisjoint(s.datasets))
    }
    tasks = {number: task for number, task in chosen.items() if task_matches(task[1:], s.tasks)}
    filters: dict[str, Sequence[Any]] = {}
    if len(tasks) < len(everything):
        filters["tasks"] = list(tasks)
    if s.densities:
        filters["densities"] = [
            d for d in _distinct(con, "target_density", tasks) if _density_matches(d, s.densities)
        ]
    if s.controls is not None:
        _require_known("control", set(s.controls) - {"none"}, _distinct(con, "control"))
        filters["controls"] = ["none", *(c for c in s.controls if c != "none")]
    if not tasks or (s.densities and all(d == 1 for d in filters["densities"])):
        raise NothingSelected(_nothing(con, chosen, s))
    return BoardScope(tasks, filters, results_option(s.results))


def _require_known(kind: str, asked: Iterable[str], known: Iterable[str]) -> None:
    there = set(known)
    for name in sorted(set(asked) - there):
        raise UnknownName(kind, name, there - {"none"})


def _distinct(
    con: DuckDBPyConnection, column: str, tasks: Iterable[int] | None = None
) -> list[Any]:
    within = "" if tasks is None else "WHERE task IN (SELECT unnest($tasks))"
    found = con.execute(
        f"SELECT DISTINCT {column} FROM cells {within} ORDER BY ALL",
        {} if tasks is None else {"tasks": list(tasks)},
    ).fetchall()
    return [value for (value,) in found]


def task_matches(task: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a task (model, dataset, recipe) is one of `patterns`: MODEL, MODEL/DATASET or
    MODEL/DATASET/RECIPE, with * and ? as in file names. Without patterns every task is.
    """
    names = ["/".join(task[:end]) for end in (1, 2, 3)]
    return not patterns or any(fnmatchcase(name, p) for p in patterns for name in names)


def _density_matches(target: float, asked: Sequence[float]) -> bool:
    return target == 1 or any(abs(target - d) <= DENSITY_TOLERANCE * d for d in asked)


def _nothing(con: DuckDBPyConnection, chosen: Mapping[int, SuiteTask], s: Selection) -> str:
    if not chosen:
        return (
            f"the leaderboard has no row for these filters; "
            f"`lth-bench db info{results_option(s.results)}` says what is there"
        )
    there = sorted({task.name for task in chosen.values()})
    kept = [f"{d:.4g}" for d in _distinct(con, "target_density", chosen) if d < 1]
    return (
        f"the leaderboard has no row with task {' or '.join(s.tasks) or 'any'} and density "
        f"{' or '.join(f'{d:g}' for d in s.densities) or 'any'}; there are the tasks "
        f"{', '.join(there)} and the densities {', '.join(dict.fromkeys(kept)) or 'none but 1'}"
    )
