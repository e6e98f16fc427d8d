from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from lth_bench.store import Journal, Paths

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call, Scenario, write = RECORDS["call"], RECORDS["Scenario"], RECORDS["write"]
SMALL = {"strategies": ("dense", "imp"), "densities": (0.5,)}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.duckdb"
    failed = {("imp", 1): ("failed", "boom")}
    write(path, Scenario(**SMALL, seeds=(0, 1), outcomes=failed))
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: call(capsys, monkeypatch, "merge", *arguments)


def test_the_report_counts_new_and_known_results(run, results: Path, tmp_path: Path) -> None:
    write(tmp_path / "other.duckdb", Scenario(**SMALL, seeds=(1, 2), run_id="b"))
    changed = Scenario(**SMALL, seeds=(0,), run_id="c", config="\x1b[31mred")
    write(tmp_path / "third.duckdb", changed, minute=1)
    code, out, err = run(tmp_path / "other.duckdb", tmp_path / "third.journal.jsonl")
    assert (code, err) == (0, "")
    first, filled, third, dense, imp = out.splitlines()
    assert first == (
        f"{tmp_path / 'other.duckdb'}: 2 experiments new, 2 already here; "
        f"5 tickets new, 1 already here"
    )
    assert filled == "  1 experiment without a result here got one"
    assert third.endswith("2 experiments new, 0 already here; 3 tickets new, 0 already here")
    assert dense == (
        "  different configurations of dense on mlp · digits · mlp in suite quickstart: "
        "the one planned "
        "there is newer, and counts"
    )
    assert imp.startswith("  different configurations of imp on mlp")
    code, out, err = run(tmp_path / "other.duckdb", tmp_path / "third.duckdb", "--json")
    document = json.loads(out)
    assert (code, document["results"]) == (0, str(results))
    assert [m["records"] for m in document["merged"]] == [0, 0]
    assert document["merged"][0]["tickets_known"] == 6


def test_differing_results_are_counted_and_not_merged(run, results: Path, tmp_path: Path) -> None:
    with Journal(Paths(tmp_path / "other.duckdb")) as journal:
        for record, _ in Journal(Paths(results)).read():
            if "test_accuracy" in record.get("metrics", {}):
                record["metrics"]["test_accuracy"] = 0.5
            journal.append(record)
    out = run(tmp_path / "other.duckdb")[1]
    assert (
        "  3 experiments have different results there; the results here are kept"
        in out.splitlines()
    )


def test_wrong_usage_is_one_error(run, results: Path, tmp_path: Path) -> None:
    before = results.with_suffix(".journal.jsonl").read_bytes()
    for arguments, message in (
        ((tmp_path / "none.duckdb",), "there are no results at"),
        ((results,), "is the file to merge into"),
        ((), "Missing argument"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (4, "")
        assert err.startswith("error: ")
        assert message in err
    with Journal(Paths(results)):
        code, out, err = run(write(tmp_path / "o.duckdb", Scenario(**SMALL)).results)
    assert (code, out) == (4, "")
    assert "another run is writing to" in err
    assert results.with_suffix(".journal.jsonl").read_bytes() == before
