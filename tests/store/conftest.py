from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from close import rows_of

from lth_bench.store import FoldReport, Paths, fold
from lth_bench.store.database import open_safe
from lth_bench.store.seed_rows import write_rows

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))


@pytest.fixture
def make_scenario() -> Callable[..., Any]:
    """`Scenario(...)` of records.py."""
    return RECORDS["Scenario"]


@pytest.fixture
def file(make_scenario: Callable[..., Any], write: Callable[..., Any], tmp_path: Path) -> Path:
    """The rows of a suite with controls, a seed that diverged, which test examples are right, and a
    task that is judged by an error; beside its database.
    """
    scenario = make_scenario(
        tasks=(("mlp", "digits", "mlp"), ("mlp", "diabetes", "mlp")),
        controls=("reinit",),
        judged={"diabetes": ("rmse", "", False)},
        outcomes={("snip", 1): ("diverged", "NaN")},
        weights=True,
        test_examples=60,
    )
    return rows_of_suite(write(scenario))


@pytest.fixture
def decided_file(write: Callable[..., Any]) -> Path:
    """The rows of a suite whose seeds were added until decided, beside its database."""
    return rows_of_suite(write(RECORDS["UntilDecided"]()))


def rows_of_suite(paths: Paths) -> Path:
    fold(paths)
    target = paths.results.with_name("rows.parquet")
    write_rows(paths.results, "quickstart", target, "lth-bench run quickstart")
    return target


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Paths]:
    """`write(*scenarios)`: their journal, nothing folded yet."""
    return lambda *scenarios: RECORDS["write"](tmp_path / "results.duckdb", *scenarios)


_TABLES = (
    "suites", "environments", "plugins", "experiments", "tickets", "metrics", "layers", "curves",
    "trainings", "ticket_trainings", "tickets_flat", "leaderboard",
)  # fmt: skip


def _contents(paths: Paths) -> dict[str, list[Any]]:
    """Every row of every table, sorted."""
    with open_safe(paths) as con:
        return {name: rows_of(name, con.execute(f"FROM {name}").fetchall()) for name in _TABLES}


@pytest.fixture
def contents() -> Callable[[Paths], Any]:
    """`contents(paths)`: every row of every table."""
    return _contents


@pytest.fixture
def lines() -> Callable[[Paths], list[bytes]]:
    """`lines(paths)`: the journal's."""
    return lambda paths: paths.journal.read_bytes().splitlines(keepends=True)


@pytest.fixture
def state() -> Callable[[FoldReport], tuple[str, int]]:
    """`state(report)`: what was done, with how many records."""
    return lambda report: (report.state, report.records)
