from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lth_bench
from lth_bench.errors import UserError
from lth_bench.store import Journal, Paths, fold

Make = Callable[..., Any]


@pytest.fixture
def paths(make_scenario: Make, write: Make) -> Paths:
    found: Paths = write(make_scenario(strategies=("dense", "imp"), controls=("reinit",)))
    return found


def test_every_view_is_a_data_frame(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    assert len(results.tickets()) == 15
    assert set(results.leaderboard()["label"]) == {"dense", "imp"}
    for name in ("paired", "experiments", "cost", "matching", "convergence", "pareto", "metrics",
                 "layers", "curves"):  # fmt: skip
        assert len(getattr(results, name)()), name
    assert len(results.failures()) == 0
    assert results.sql("SELECT 1 AS x")["x"].tolist() == [1]
    assert len(results.table("environments")) == 1


def test_each_call_sees_what_is_there_by_then(paths: Paths) -> None:
    results = lth_bench.results(str(paths.results))
    before = len(results.table("outcomes"))
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    assert len(results.table("outcomes")) == before + 1


def test_an_open_notebook_does_not_block_a_run(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    results.leaderboard()
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    assert fold(paths, patience=0.0).state == "folded"


def test_an_unknown_table_gets_the_nearest_name(paths: Paths) -> None:
    with pytest.raises(UserError, match="did you mean 'leaderboard'"):
        lth_bench.results(paths.results).table("leaderbord")


def test_a_wrong_query_is_one_message(paths: Paths) -> None:
    with pytest.raises(UserError, match="syntax error"):
        lth_bench.results(paths.results).sql("SELEC")


def test_no_results_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results"):
        lth_bench.results(tmp_path / "none.duckdb")


def test_the_store_imports_nothing_heavy() -> None:
    code = (
        "import sys, lth_bench.store, lth_bench.report.leaderboard; "
        "print([m for m in ('torch', 'duckdb', 'pandas', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
