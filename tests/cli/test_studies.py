"""What `lth-bench run studies/NAME` does beside running: it writes the study's report."""

from __future__ import annotations

import runpy
from pathlib import Path

from lth_bench.cli.complete import suite
from lth_bench.cli.conclusion import report_study
from lth_bench.store import fold
from lth_bench.suite.source import studies

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def test_the_report_is_beside_the_results_and_about_the_study(tmp_path, capsys):
    scenarios = [RECORDS["Scenario"](suite=name, weights=True) for name in ("study", "other")]
    paths = RECORDS["write"](tmp_path / "results.duckdb", *scenarios)
    fold(paths)
    report_study(paths.results, "study")
    output = tmp_path / "study.html"
    assert capsys.readouterr().err == f"report: {output}\n"
    text = output.read_text(encoding="utf-8")
    assert "The masks themselves" in text
    assert "lth-bench run other" not in text


def test_studies_complete_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(suite("studies/")) == set(studies())
    assert set(studies()) <= set(suite("st"))
