"""Rows of the leaderboard, filtered and in the order they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lth_bench.errors import NothingSelected, UnknownName

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]
"""A row of the view `leaderboard`: column → value, accuracies as fractions."""

DENSITY_TOLERANCE = 0.005
"""How far, relatively, a density may lie from the one asked for: .21 finds .2107, not .2."""


def rows(
    con: DuckDBPyConnection,
    suites: Sequence[str] = (),
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    densities: Sequence[float] = (),
    controls: Sequence[str] | None = None,
) -> list[Row]:
    """The leaderboard by suite, task, density from dense to sparse, rank; controls last.

    An empty filter takes everything. `tasks` are MODEL, MODEL/DATASET or MODEL/DATASET/RECIPE,
    with * and ? as in file names. `controls` names those to keep beside the tickets, None all.
    The dense run stays with every density. UnknownName for a suite, model, dataset or control
    that is not there, NothingSelected where the filters leave nothing.
    """
    for kind, column, asked in (
        ("suite", "suite", suites),
        ("model", "model", models),
        ("dataset", "dataset", datasets),
        ("control", "control", controls or ()),
    ):
        _require_known(con, kind, column, asked)
    where, values = ["true"], []
    for column, asked in (("suite", suites), ("model", models), ("dataset", datasets)):
        if asked:
            where.append(f"list_contains(?, {column})")
            values.append(list(asked))
    if controls is not None:
        where.append("(control = 'none' OR list_contains(?, control))")
        values.append(list(controls))
    result = con.execute(
        f"""
        SELECT * FROM leaderboard WHERE {" AND ".join(where)}
        ORDER BY suite, model, dataset, recipe, target_density DESC, rank NULLS LAST, label,
            source_model, source_dataset, source_recipe, control <> 'none', control
        """,
        values,
    )
    columns = [column[0] for column in result.description or ()]
    found = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    kept = [r for r in found if _task_matches(r, tasks) and _density_matches(r, densities)]
    if not kept or (densities and all(r["target_density"] == 1.0 for r in kept)):
        raise NothingSelected(_nothing(found, tasks, densities))
    return kept


def _require_known(con: DuckDBPyConnection, kind: str, column: str, asked: Iterable[str]) -> None:
    wanted = set(asked) - {"none"}
    if not wanted:
        return
    known = {
        x
        for (x,) in con.execute(
            f"SELECT DISTINCT {column} FROM cells JOIN tasks USING (task)"
        ).fetchall()
    }
    for name in sorted(wanted - known):
        raise UnknownName(kind, name, known - {"none"})


def _task_matches(row: Row, tasks: Sequence[str]) -> bool:
    parts = [row["model"], row["dataset"], row["recipe"]]
    names = ["/".join(parts[:n]) for n in (1, 2, 3)]
    return not tasks or any(fnmatchcase(name, task) for task in tasks for name in names)


def _density_matches(row: Row, densities: Sequence[float]) -> bool:
    target = row["target_density"]
    return (
        not densities
        or target == 1.0
        or any(abs(target - asked) <= DENSITY_TOLERANCE * asked for asked in densities)
    )


def _nothing(found: list[Row], tasks: Sequence[str], densities: Sequence[float]) -> str:
    if not found:
        return (
            "the leaderboard has no row for these filters; `lth-bench db info` says what is there"
        )
    there = sorted({"/".join((r["model"], r["dataset"], r["recipe"])) for r in found})
    kept = sorted({f"{r['target_density']:.4g}" for r in found if r["target_density"] < 1})
    return (
        f"the leaderboard has no row with task {' or '.join(tasks) or 'any'} and density "
        f"{' or '.join(f'{d:g}' for d in densities) or 'any'}; there are the tasks "
        f"{', '.join(there)} and the densities {', '.join(kept) or 'none but 1'}"
    )
