from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.cli.conclusion import print_leaderboard

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def test_a_run_ends_with_its_suite_s_leaderboard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = RECORDS["write"](tmp_path / "results.duckdb", RECORDS["Scenario"]())
    print_leaderboard(paths.results, suite="quickstart")
    assert "mlp · digits · mlp" in capsys.readouterr().out
