from __future__ import annotations

import csv
import io
import json
import runpy
from pathlib import Path

import pytest

from lth_bench.store import Journal, Paths

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("query") / "results.duckdb"
    RECORDS["write"](path, RECORDS["Scenario"](strategies=("dense", "imp")))
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: call(capsys, monkeypatch, "query", *arguments)


def test_a_table_by_default(run) -> None:
    code, out, err = run("SELECT label, n FROM leaderboard ORDER BY ALL")
    assert (code, err) == (0, "")
    assert out == "label  n\n─────  ─\ndense  3\nimp    3\nimp    3\n(3 rows)\n"


def test_other_formats(run) -> None:
    sql = "SELECT label, avg(mean) AS mean FROM leaderboard GROUP BY label ORDER BY label"
    _, out, _ = run(sql, "--json")
    document = json.loads(out)
    assert document["columns"] == ["label", "mean"]
    assert [r["label"] for r in document["rows"]] == ["dense", "imp"]
    _, again, _ = run(sql, "--format", "json")
    assert again == out
    _, out, _ = run(sql, "--format", "csv")
    assert [float(r["mean"]) for r in csv.DictReader(io.StringIO(out))] == [
        r["mean"] for r in document["rows"]
    ]
    _, out, _ = run(sql, "--format", "markdown")
    assert out.startswith("| label | mean |\n| --- | --- |\n| dense |")


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
def test_every_type_of_duckdb_is_printed(run, format: str) -> None:
    code, out, err = run("SELECT *, now() FROM test_all_types()", "--format", format)
    assert (code, err) == (0, "")
    assert "infinity" in out
    assert "83 years 3 months 999 days" in out


def test_two_columns_of_one_name_are_both_in_json(run) -> None:
    _, out, _ = run("SELECT 1 AS x, 2 AS x", "--json")
    assert list(json.loads(out)["rows"][0].values()) == [1, 2]


def test_a_long_table_is_printed_in_full(run) -> None:
    _, out, _ = run("SELECT range * 1000 AS r FROM range(25000) ORDER BY r")
    lines = out.splitlines()
    assert lines[2].strip() == "0"
    assert lines[-2] == "24999000"
    assert lines[-1] == "(25,000 rows)"
    assert len(lines) == 25_003


@pytest.mark.parametrize(
    "sql",
    [
        "FROM range(1000000000000)",
        # a single call of a function, in which DuckDB hears nothing
        "SELECT levenshtein(repeat('ab', 200000), repeat('bc', 200000))",
    ],
)
def test_a_query_ends_at_its_timeout(lth, results: Path, sql: str) -> None:
    arguments = ("--timeout", "0.5", "--format", "csv", "--results", results)
    done = lth("query", sql, *arguments, code=4)
    assert done.stderr == (
        "error: the query took longer than 0.5 s (--timeout); narrow it down, or increase "
        "the timeout\n"
    )


def test_new_records_of_the_journal_are_included(run, results: Path) -> None:
    sql = "SELECT count(*) AS n FROM outcomes WHERE experiment_id = 'new'"
    assert json.loads(run(sql, "--json")[1])["rows"] == [{"n": 0}]
    with Journal(Paths(results)) as journal:
        journal.append({"record": "experiment", "experiment_id": "new", "status": "ok"})
    assert json.loads(run(sql, "--json")[1])["rows"] == [{"n": 1}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELEC 1"], 'syntax error at or near "SELEC"'),
        (["FROM leaderbord"], "leaderbord does not exist"),
        (["DROP TABLE tickets"], "a query can only read"),
        (["FROM read_csv('/etc/passwd')"], "can read this database only"),
        (["SELECT 1; SELECT 2"], "expected one SQL statement, but got 2"),
        (["SELECT 1", "--format", "xml"], "unknown format 'xml'"),
        (["SELECT 1", "--timeout", "soon"], "--timeout takes a duration"),
        ([], "Missing"),
    ],
)
def test_wrong_usage_is_one_error(run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert err.startswith("error: ")
    assert message in err
