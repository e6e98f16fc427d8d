from __future__ import annotations

import json
import runpy
from pathlib import Path

import duckdb
import pytest

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.duckdb"
    RECORDS["write"](path, RECORDS["Scenario"](strategies=("dense", "imp")))
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: call(capsys, monkeypatch, "db", *arguments)


def test_fold_and_rebuild(run) -> None:
    code, out, _ = run("fold")
    assert (code, out.split(" in ")[0]) == (0, "folded: 20 records")
    assert run("fold")[1] == "the database is already up to date with the journal\n"
    code, out, _ = run("rebuild", "--json")
    document = json.loads(out)
    assert (code, document["state"], document["records"]) == (0, "rebuilt", 20)


def test_info_lists_files_and_counts(run, results: Path) -> None:
    code, out, err = run("info", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["up_to_date"] is False
    assert document["suites"] == ["quickstart"]
    assert document["experiments"] == {"ok": 6}
    assert document["rows"]["tickets"] == 12
    assert document["bytes"]["journal"] == results.with_suffix(".journal.jsonl").stat().st_size
    code, out, _ = run("info")
    assert code == 0
    assert "up_to_date" in out
    assert "experiments: ok" in out


def test_the_printed_command_repairs_a_damaged_file(run, results: Path) -> None:
    run("fold")
    results.write_bytes(b"\0" * 50_000)
    code, out, err = run("fold")
    assert (code, out) == (4, "")
    command = err.split("`")[1].split()
    assert command[:3] == ["lth-bench", "db", "rebuild"]
    assert run(*command[2:])[0] == 0
    assert run("info")[0] == 0


def test_a_locked_file_is_reported_with_its_holder(run, results: Path) -> None:
    run("fold")
    with duckdb.connect(str(results), read_only=True):
        code, out, err = run("rebuild")
    assert (code, out) == (4, "")
    assert "open in this process" in err


def test_scrub_removes_passwords_of_an_older_version(run, results: Path) -> None:
    journal = results.with_suffix(".journal.jsonl")
    lines = journal.read_bytes().split(b"\n")
    first = next(i for i, line in enumerate(lines) if line.startswith(b'{"record":"run"'))
    command = "lth-bench tune a.toml --storage postgresql://me:hunter2@host/x"
    record = {**json.loads(lines[first]), "command": command}
    lines[first] = json.dumps(record, separators=(",", ":")).encode()
    journal.write_bytes(b"\n".join(lines))
    torn = journal.with_name(journal.name + ".torn")
    torn.write_bytes(b'{"record":"run","x":"a://me:hunter2@h')
    assert run("fold")[0] == 0
    before = duckdb.connect(str(results), read_only=True)
    rows = before.execute("FROM tickets").fetchall()
    before.close()

    code, out, _ = run("scrub", "--json")
    assert (code, json.loads(out)["lines"]) == (0, 2)
    for file in results.parent.iterdir():
        assert b"hunter2" not in file.read_bytes(), file
    assert b"postgresql://me:***@host/x" in journal.read_bytes()
    with duckdb.connect(str(results), read_only=True) as after:
        kept = after.execute("FROM tickets").fetchall()
    assert sorted(map(repr, kept)) == sorted(map(repr, rows))
    assert run("scrub")[1].startswith("0 lines of the journal contained passwords")
