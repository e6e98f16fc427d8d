from __future__ import annotations

import json
import runpy
from pathlib import Path

import duckdb
import pytest

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("export") / "results.duckdb"
    RECORDS["write"](path, RECORDS["Scenario"](strategies=("dense", "imp"), seeds=(0,)))
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: call(capsys, monkeypatch, "export", *arguments)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_tables_are_exported_as_files(run, format: str, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    code, out, err = run(format, "--output", folder)
    assert (code, err) == (0, "")
    files = list(folder.iterdir())
    assert out.startswith(f"wrote {len(files)} files in {folder} (")
    assert duckdb.sql(f"SELECT count(*) FROM '{folder / 'leaderboard'}.{format}'").fetchall() == [
        (3,)
    ]
    code, out, err = run(format, "--output", folder)
    assert (code, out) == (4, "")
    assert "overwrite them with --force" in err
    code, out, err = run(format, "--output", folder, "--force", "--suite", "quickstart", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["files"] == len(files)


def test_a_snapshot_answers_queries_like_the_results(
    run, capsys, monkeypatch, tmp_path: Path
) -> None:
    snapshot = tmp_path / "mine.duckdb"
    code, out, err = run("snapshot", "--output", snapshot, "--suite", "quickstart")
    assert (code, err) == (0, "")
    assert out.startswith(f"wrote {snapshot} (")
    question = ("query", "SELECT label, n, mean FROM leaderboard ORDER BY ALL", "--json")
    here = call(capsys, monkeypatch, *question)
    assert call(capsys, monkeypatch, *question, "--results", snapshot) == here
    assert json.loads(here[1])["rows"]
    assert call(capsys, monkeypatch, "db", "info", "--results", snapshot)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("snapshot", "--suite", "quikstart", "--output", "x.duckdb"), "did you mean 'quickstart'"),
        (("csv", "--results", "none.duckdb", "--output", "x"), "there are no results at"),
        (("csv",), "Missing option '--output'"),
        (("xml", "--output", "x"), "No such command 'xml'"),
        (("snapshot", "--output", "."), "is a folder"),
    ],
)
def test_wrong_usage_is_one_error(
    run, monkeypatch, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert err.startswith("error: ")
    assert message in err
    assert list(tmp_path.iterdir()) == []
