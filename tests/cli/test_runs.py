"""`lth-bench ls runs`."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    results = tmp_path / "results.duckdb"
    RECORDS["write"](results, RECORDS["Scenario"](outcomes={("imp", 0): ("failed", "raised")}))
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: RECORDS["call"](capsys, monkeypatch, "ls", "runs", *arguments)


def test_runs_for_people(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    line = next(line for line in lines if line[:2] == ["run-1", "quickstart"])
    assert line[-4:] == ["complete", "11", "1", "0"]
    assert "run-1  cpu on lab: lth-bench run quickstart --seeds 3" in out
    assert max(map(len, out.splitlines())) <= 80


def test_runs_for_programs(run):
    code, out, err = run("--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["runs"]
    assert (row["run_id"], row["planned"], row["finished"], row["failed"]) == ("run-1", 12, 11, 1)


def test_without_results_it_is_one_message(run):
    code, out, err = run("--results", "nowhere.duckdb")
    assert (code, out) == (4, "")
    assert err.startswith("error: there are no results at nowhere.duckdb")
