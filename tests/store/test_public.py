from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.store import Paths
from lth_bench.store.database import open_safe
from lth_bench.store.public import checksum, named_apart, publish, write_sums, write_tables

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))


def test_a_copy_has_the_results_and_no_machine(tmp_path: Path) -> None:
    paths: Paths = RECORDS["write"](tmp_path / "mine.duckdb", RECORDS["Scenario"]())
    folder = tmp_path / "data"
    folder.mkdir()
    before = paths.journal.read_bytes()
    public = publish(paths.results, folder, "mine")
    write_tables(public, folder)
    write_sums(folder)
    assert paths.journal.read_bytes() == before
    with open_safe(Paths(public.database)) as con:
        assert con.execute("SELECT DISTINCT host FROM environments").fetchall() == [("host-1",)]
        assert con.execute("SELECT count(*) FROM experiments").fetchall() == [(12,)]
    for file in folder.rglob("*.csv"):
        assert not re.search(r"\blab\b", file.read_text())
    assert {file.name for file in (folder / "mine").iterdir()} == {"parquet", "csv"}
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert checksum(public.database) in (folder / "SHA256SUMS").read_text()


def test_names_of_machines_stay_where_they_are_asked_for(tmp_path: Path) -> None:
    paths: Paths = RECORDS["write"](tmp_path / "mine.duckdb", RECORDS["Scenario"]())
    public = publish(paths.results, tmp_path, "copy", hosts=True)
    with open_safe(Paths(public.database)) as con:
        assert con.execute("SELECT host FROM environments").fetchall() == [("lab",)]


def test_an_empty_journal_is_refused(tmp_path: Path) -> None:
    results = tmp_path / "mine.duckdb"
    Paths(results).journal.touch()
    with pytest.raises(UserError, match="has no results yet"):
        publish(results, tmp_path, "copy")


def test_names_from_files_are_told_apart(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "My results.duckdb", tmp_path / "b" / "my-results.duckdb"]
    assert named_apart(files) == ["my-results", "my-results-2"]
    assert named_apart([Path("…")]) == ["results"]


def test_a_file_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").touch()
    (tmp_path / "b.duckdb").symlink_to(tmp_path / "a.duckdb")
    with pytest.raises(UserError, match="named twice"):
        named_apart([tmp_path / "a.duckdb", tmp_path / "b.duckdb"])
