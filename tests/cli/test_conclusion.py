from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import pytest

from lth_bench.cli.conclusion import conclude, print_answer
from lth_bench.running.recorder import RunSummary

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def test_a_run_ends_with_its_suite_s_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = RECORDS["write"](tmp_path / "results.duckdb", RECORDS["Scenario"]())
    print_answer(paths.results, suite="quickstart")
    out = capsys.readouterr().out
    assert out.startswith("quickstart · MLP on digits · 20% of the weights, the middle density")
    assert "density %" not in out and "what the columns mean" not in out


def test_a_suite_says_which_leaderboard_its_runs_end_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = RECORDS["Scenario"](suite="sanity", controls=("shuffle",))
    paths = RECORDS["write"](tmp_path / "results.duckdb", scenario)
    summary = RunSummary(
        run_id="run-1", suite="sanity", planned=9, reused=0, statuses=Counter(ok=9)
    )
    conclude(summary, paths.results, by="ingredients")
    out, err = capsys.readouterr()
    assert "sanity: which ingredients matter" in out
    assert "imp at 50.00%: what matters: mask structure." in " ".join(out.split())
    assert "lth-bench leaderboard --by ingredients --results" in err
