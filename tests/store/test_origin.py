"""Results from elsewhere that cannot be merged: each gets one message, and nothing is written."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lth_bench.errors import UserError
from lth_bench.store import Journal, Paths, fold
from lth_bench.store.export import export_snapshot
from lth_bench.store.merge import merge
from lth_bench.store.origin import find_journal

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
SMALL = {"strategies": ("dense", "imp"), "seeds": (0,), "densities": (0.5,)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `theirs`, folded, and a snapshot of it."""
    folder: Path = tmp_path_factory.mktemp("made")
    paths = RECORDS["write"](folder / "theirs.duckdb", RECORDS["Scenario"](**SMALL, weights=True))
    fold(paths)
    export_snapshot(paths.results, folder / "snapshot.duckdb")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    for file in made.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path


def find(folder: Path, other: str) -> Path:
    (folder / "temporary").mkdir()
    return find_journal(
        folder / other, Paths(folder / "ours.duckdb"), folder / "temporary" / "j.jsonl"
    )


def test_a_database_its_journal_and_a_snapshot_have_the_same_records(folder: Path) -> None:
    journal = (folder / "theirs.journal.jsonl").read_bytes()
    for other in ("theirs.duckdb", "theirs.journal.jsonl", "snapshot.duckdb"):
        assert find(folder, other).read_bytes() == journal
        shutil.rmtree(folder / "temporary")
    (folder / "theirs.duckdb").unlink()
    assert find(folder, "theirs.duckdb") == folder / "theirs.journal.jsonl"


def test_a_damaged_database_is_ignored_if_its_journal_exists(folder: Path) -> None:
    (folder / "theirs.duckdb").write_bytes(b"\0" * 50_000)
    assert find(folder, "theirs.duckdb") == folder / "theirs.journal.jsonl"


def edit(journal: Path, change: Callable[[bytes], bytes]) -> None:
    journal.write_bytes(change(journal.read_bytes()))


def sql(file: Path, statement: str) -> None:
    with duckdb.connect(str(file)) as con:
        con.execute(statement)


def pack(file: Path, content: bytes) -> None:
    with duckdb.connect(str(file)) as con:
        con.execute("UPDATE journal SET content = ?", [content])


MISTAKES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda f: None, "none.duckdb", "there are no results at .*none.duckdb"),
    "missing journal": (lambda f: None, "none.jsonl", "there are no results at .*none.jsonl"),
    "folder": (lambda f: (f / "sub").mkdir(), "sub", "is a folder; name a .duckdb or"),
    "torn": (
        lambda f: edit(f / "theirs.journal.jsonl", lambda data: data[:-10]),
        "theirs.duckdb", "theirs.journal.jsonl ends in the middle of a record.*Copy it again",
    ),
    "no record": (
        lambda f: edit(f / "theirs.journal.jsonl", lambda data: data + b"[1]\n"),
        "theirs.journal.jsonl", r"line \d+ is not a record",
    ),
    "wrong type": (
        lambda f: edit(
            f / "theirs.journal.jsonl", lambda data: data + b'{"record":"ticket","curve":5}\n'
        ),
        "theirs.duckdb", r"theirs.journal.jsonl, line \d+ .*a field is of the wrong type",
    ),
    "lines of something else": (
        lambda f: (f / "log.jsonl").write_text('{"level": "info"}\n'),
        "log.jsonl", "log.jsonl, line 1 is not a record",
    ),
    "text": (
        lambda f: (f / "notes.txt").write_text("my notes\n" * 900),
        "notes.txt", "cannot be read as a DuckDB database.*name another file$",
    ),
    "another's database": (
        lambda f: sql(f / "mine.duckdb", "CREATE TABLE mine AS SELECT 42 AS x"),
        "mine.duckdb", "not one of lth-bench's results; name another file$",
    ),
    "empty database": (
        lambda f: sql(f / "empty.duckdb", "CHECKPOINT"), "empty.duckdb", "no journal in it",
    ),
    "database without its journal": (
        lambda f: (f / "theirs.journal.jsonl").unlink(),
        "theirs.duckdb", "no journal in it, and theirs.journal.jsonl is not beside it; put",
    ),
    "newer": (
        lambda f: sql(
            f / "theirs.duckdb", "UPDATE meta SET value = '999' WHERE key = 'schema_version'"
        ),
        "theirs.duckdb", r"newer lth-bench \(tables of version 999.*upgrade",
    ),
    "newer snapshot": (
        lambda f: sql(
            f / "snapshot.duckdb", "UPDATE meta SET value = '999' WHERE key = 'schema_version'"
        ),
        "snapshot.duckdb", r"newer lth-bench \(tables of version 999.*upgrade",
    ),
    "cut snapshot": (
        lambda f: edit(f / "snapshot.duckdb", lambda data: data[: len(data) // 2]),
        "snapshot.duckdb", "snapshot.duckdb cannot be read as a DuckDB database",
    ),
    "snapshot with a line that is none": (
        lambda f: pack(f / "snapshot.duckdb", zlib.compress(b'{"record":"x"}\nnonsense\n')),
        "snapshot.duckdb", "snapshot.duckdb, table journal, line 2 is not a record",
    ),
    "snapshot with a torn journal": (
        lambda f: pack(f / "snapshot.duckdb", zlib.compress(b'{"record":"x"}\n{"reco')),
        "snapshot.duckdb", "snapshot.duckdb, table journal ends in the middle of a record",
    ),
    "snapshot with a damaged part": (
        lambda f: pack(f / "snapshot.duckdb", b"x" * 100),
        "snapshot.duckdb", "the table journal of .*snapshot.duckdb is damaged, or not",
    ),
    "snapshot with half a part": (
        lambda f: pack(f / "snapshot.duckdb", zlib.compress(b'{"record":"x"}\n' * 99)[:-5]),
        "snapshot.duckdb", "the table journal of .*snapshot.duckdb is damaged, or not",
    ),
    "snapshot with nothing for a part": (
        lambda f: sql(f / "snapshot.duckdb", "UPDATE journal SET content = NULL"),
        "snapshot.duckdb", "the table journal of .*snapshot.duckdb is damaged, or not",
    ),
    "snapshot whose journal is a view": (
        lambda f: sql(
            f / "snapshot.duckdb",
            "DROP TABLE journal; CREATE VIEW journal AS SELECT range AS part, 'x'::BLOB AS content "
            "FROM range(1000000000000000)",
        ),
        "snapshot.duckdb", "no journal in it",
    ),
    "snapshot whose journal is another table": (
        lambda f: sql(
            f / "snapshot.duckdb", "DROP TABLE journal; CREATE TABLE journal AS SELECT 1 AS x"
        ),
        "snapshot.duckdb", "the table journal of .*snapshot.duckdb is damaged, or not",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_files_that_cannot_be_merged_are_one_error(folder: Path, mistake: str) -> None:
    prepare, other, message = MISTAKES[mistake]
    prepare(folder)
    with pytest.raises(UserError, match=message) as error:
        find(folder, other)
    assert str(folder / "temporary") not in error.value.message


def test_one_bad_source_means_nothing_is_merged(folder: Path) -> None:
    ours = RECORDS["write"](
        folder / "ours.duckdb", RECORDS["Scenario"](**SMALL, config="mine", run_id="mine")
    )
    (folder / "none.jsonl").write_text('{"level": "info"}\n')
    before = ours.journal.read_bytes()
    with pytest.raises(UserError, match=r"none\.jsonl, line 1"):
        merge(ours, [folder / "theirs.duckdb", folder / "none.jsonl"])
    assert ours.journal.read_bytes() == before
    new = Paths(folder / "new" / "results.duckdb")
    with pytest.raises(UserError):
        merge(new, [folder / "none.jsonl"])
    assert not new.results.parent.exists()


@pytest.mark.parametrize("way", ["theirs.duckdb", "theirs.journal.jsonl", "link", "hard"])
def test_merging_results_into_themselves_is_refused(folder: Path, way: str) -> None:
    ours = Paths(folder / "theirs.duckdb")
    other = folder / way
    if way == "link":
        other = folder / "link.journal.jsonl"
        other.symlink_to(ours.journal)
    elif way == "hard":
        other = folder / "hard.journal.jsonl"
        os.link(ours.journal, other)
    with pytest.raises(UserError, match="is the file to merge into"):
        merge(ours, [other])


def test_a_snapshot_opened_elsewhere_is_an_error(folder: Path) -> None:
    with (
        duckdb.connect(str(folder / "snapshot.duckdb")),
        pytest.raises(UserError, match=r"snapshot\.duckdb is open in this process; close it there"),
    ):
        find(folder, "snapshot.duckdb")


def test_hostile_fields_become_records_or_one_error(folder: Path) -> None:
    """Keys of every wrong kind: lists and numbers as ids, names that look like paths."""
    journal = folder / "hostile.journal.jsonl"
    plans = [{"experiment_id": ["x"], "suite": {"a": 1}, "label": "../../etc", "seed": 0}, {}]
    records: list[dict[str, Any]] = [
        {"record": "run", "run_id": ["r"], "suite": 5},
        {"record": "planned", "run_id": None, "experiments": plans},
        {"record": "planned", "run_id": None, "experiments": None},
        {"record": "ticket", "experiment_id": {"a": []}, "ticket_id": 7, "reported": True,
         "target_density": "0.5", "metrics": {"test_accuracy": None}},
        {"record": "ticket", "experiment_id": "x\x1fy", "reported": None, "metrics": None},
        {"record": "experiment", "experiment_id": [[]], "status": 3},
        {"record": "\x1b[2J", "at": 5},
    ]  # fmt: skip
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    ours = Paths(folder / "ours.duckdb")
    (report,), _ = merge(ours, [journal])
    assert report.records == len(records) - 1  # nothing planned is nothing to take
    assert merge(ours, [journal])[0][0].records == 0


def test_a_growing_journal_is_merged_up_to_its_present_end(folder: Path) -> None:
    """A run goes on elsewhere: its journal is only read, and needs no lock."""
    ours = Paths(folder / "ours.duckdb")
    with Journal(Paths(folder / "theirs.duckdb")) as running:
        (report,), _ = merge(ours, [folder / "theirs.duckdb"])
        running.append({"record": "experiment", "experiment_id": "late", "status": "ok"})
    assert report.experiments_new == 2
    assert merge(ours, [folder / "theirs.duckdb"])[0][0].experiments_new == 1
