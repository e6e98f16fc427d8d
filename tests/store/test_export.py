from __future__ import annotations

import csv
import runpy
import shutil
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import duckdb
import pytest
from close import close_text, rows_of

from lth_bench.errors import UserError
from lth_bench.running.runner import require_writable
from lth_bench.store import Journal, Paths, fold, reading, rebuild
from lth_bench.store.export import INTERNAL, documented, export_snapshot, export_tables
from lth_bench.store.glossary import VIEWS
from lth_bench.store.merge import merge
from lth_bench.store.paths import DiskError
from lth_bench.store.snapshot import extract_journal, make_snapshot

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
Scenario = RECORDS["Scenario"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two suites, the second with a failure and a name that is a path."""
    folder: Path = tmp_path_factory.mktemp("made")
    fold(RECORDS["write"](
        folder / "results.duckdb",
        Scenario(strategies=("dense", "imp", "early_bird"), seeds=(0, 1), weights=True),
        Scenario(suite="../../evil, 'x'", strategies=("dense", "snip"), seeds=(0,), config="b",
                 run_id="run-2", outcomes={("snip", 0): ("failed", 'a "quote",\nand a line')}),
    ))  # fmt: skip
    return folder


@pytest.fixture
def paths(made: Path, tmp_path: Path) -> Paths:
    for file in made.iterdir():
        shutil.copy(file, tmp_path)
    return Paths(tmp_path / "results.duckdb")


def left(folder: Path) -> set[str]:
    """What lies in a folder beside the results."""
    own = {f"results.{end}" for end in ("duckdb", "journal.jsonl", "journal.lock")}
    return {p.name for p in folder.iterdir()} - own


def tables(paths: Paths, *names: str) -> dict[str, list[Any]]:
    """Rows by table, sorted; of every documented one if none is named."""
    with reading(paths.results) as con:
        return {
            name: rows_of(name, con.execute(f"FROM {name}").fetchall())
            for name in names or documented()
        }


# files


def test_every_documented_table_is_a_parquet_file_with_all_rows(paths: Paths) -> None:
    folder = paths.results.parent / "out"
    done = export_tables(paths.results, folder, format="parquet")
    assert {p.name for p in folder.iterdir()} == {f"{name}.parquet" for name in documented()}
    assert (done.files, done.bytes) == (
        len(documented()), sum(p.stat().st_size for p in folder.iterdir()),
    )  # fmt: skip
    expected = tables(paths)
    with duckdb.connect() as con:
        for name in documented():
            rows = con.execute(f"FROM '{folder / name}.parquet'").fetchall()
            assert rows_of(name, rows) == expected[name], name
            codecs = con.execute(f"SELECT DISTINCT compression FROM "
                                 f"parquet_metadata('{folder / name}.parquet')")  # fmt: skip
            assert codecs.fetchall() in ([("ZSTD",)], []), name
    assert left(folder.parent) == {"out"}


def test_every_documented_table_is_a_csv_file_with_a_header(paths: Paths) -> None:
    folder = paths.results.parent / "out"
    export_tables(paths.results, folder, format="csv")
    assert {p.name for p in folder.iterdir()} == {f"{name}.csv" for name in documented()}
    with (folder / "tickets_flat.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(tables(paths, "tickets_flat")["tickets_flat"])
    assert {r["reason"] for r in rows if r["status"] == "failed"} == {'a "quote",\nand a line'}
    exact = {float(r["test_accuracy"]) for r in rows if r["test_accuracy"]}
    with reading(paths.results) as con:
        found = con.execute("SELECT DISTINCT test_accuracy FROM tickets_flat").fetchall()
    assert exact == {accuracy for (accuracy,) in found if accuracy is not None}


def test_the_same_results_give_the_same_rows_in_the_same_order(paths: Paths) -> None:
    folder = paths.results.parent
    export_tables(paths.results, folder / "one", format="csv")
    rebuild(paths)
    export_tables(paths.results, folder / "two", format="csv")
    for view in VIEWS:
        one, two = (read_csv(folder / name / f"{view}.csv") for name in ("one", "two"))
        assert one == two, view


def read_csv(file: Path) -> list[list[Any]]:
    with file.open(newline="") as opened:
        return [list(map(close_text, row)) for row in csv.reader(opened)]


def test_what_is_internal_is_not_exported(paths: Paths) -> None:
    with reading(paths.results) as con:
        every = {name for (name,) in con.execute(
            "SELECT table_name FROM information_schema.tables").fetchall()}  # fmt: skip
    assert set(documented()) | INTERNAL == every
    assert not set(documented()) & INTERNAL


def test_one_suite_leaves_nothing_of_another(paths: Paths) -> None:
    folder = paths.results.parent / "out"
    export_tables(paths.results, folder, format="csv", suites=["quickstart"])
    alone = RECORDS["write"](
        paths.results.parent / "alone.duckdb",
        Scenario(strategies=("dense", "imp", "early_bird"), seeds=(0, 1), weights=True),
    )
    expected = tables(alone)
    with duckdb.connect() as con:
        for name in documented():
            (found,) = con.execute(f"SELECT count(*) FROM '{folder / name}.csv'").fetchall()
            assert found == (len(expected[name]),), name
    assert b"evil" not in b"".join(p.read_bytes() for p in folder.iterdir())


def test_a_name_in_the_database_is_no_path(paths: Paths) -> None:
    folder = paths.results.parent / "a" / "b" / "out"
    export_tables(paths.results, folder, format="csv", suites=["../../evil, 'x'"])
    assert b"evil" in (folder / "leaderboard.csv").read_bytes()
    assert left(paths.results.parent) == {"a"}
    assert [p.name for p in (paths.results.parent / "a").iterdir()] == ["b"]


def test_a_view_of_a_stranger_reads_no_file(paths: Paths) -> None:
    """A database from a stranger, whose view asks for a file of ours when it is exported."""
    paths.journal.unlink()
    secret = paths.results.parent / "secret.txt"
    secret.write_text("secret")
    with duckdb.connect(str(paths.results)) as con:
        con.execute(f"CREATE OR REPLACE VIEW cost AS SELECT content FROM read_text('{secret}')")
    with pytest.raises(UserError, match=r"cannot export to .*Permission"):
        export_tables(paths.results, paths.results.parent / "out", format="csv")
    assert left(paths.results.parent) == {"secret.txt"}


def test_files_are_overwritten_only_when_asked(paths: Paths) -> None:
    folder = paths.results.parent / "out"
    folder.mkdir()
    (folder / "cost.csv").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(
        UserError, match=r"out has 1 of these files already, such as cost\.csv.*--force"
    ):
        export_tables(paths.results, folder, format="csv")
    assert left(folder) == {"cost.csv", "notes.txt"}
    export_tables(paths.results, folder, format="parquet")  # other names
    export_tables(paths.results, folder, format="csv", force=True)
    assert (folder / "cost.csv").read_text().startswith("suite,")
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(left(folder)) == 2 * len(documented()) + 1


def test_a_file_is_no_folder(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"results\.duckdb is a file; name a folder"):
        export_tables(paths.results, paths.results, format="csv", force=True)


def test_a_database_that_is_open_elsewhere_is_exported_from_the_journal(paths: Paths) -> None:
    notes: list[str] = []
    with duckdb.connect(str(paths.results)):
        export_tables(paths.results, paths.results.parent / "out", format="csv", note=notes.append)
    assert "open in this process; reading the journal" in notes[0]
    assert len(left(paths.results.parent / "out")) == len(documented())


# snapshots


def test_a_snapshot_stands_alone(paths: Paths, tmp_path: Path) -> None:
    output = tmp_path / "sent" / "mine.duckdb"
    done = export_snapshot(paths.results, output)
    assert [p.name for p in output.parent.iterdir()] == ["mine.duckdb"]
    assert done.bytes == output.stat().st_size
    assert tables(Paths(output)) == tables(paths)
    with duckdb.connect(str(output), read_only=True) as con:
        parts = con.execute("SELECT content FROM journal ORDER BY part").fetchall()
        tags = con.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert b"".join(zlib.decompress(x) for (x,) in parts) == paths.journal.read_bytes()
    assert "v1.0.0" in str(tags)
    assert [p.name for p in output.parent.iterdir()] == ["mine.duckdb"]


def test_a_snapshot_of_a_suite_has_nothing_of_another(paths: Paths, tmp_path: Path) -> None:
    output = tmp_path / "part.duckdb"
    export_snapshot(paths.results, output, ["quickstart"])
    assert b"evil" not in output.read_bytes()
    (expected,) = tables(paths, "leaderboard").values()
    assert tables(Paths(output), "leaderboard") == {
        "leaderboard": [row for row in expected if "evil" not in repr(row)]
    }


def test_an_experiment_of_two_suites_goes_along_with_either(tmp_path: Path) -> None:
    first = Scenario(strategies=("imp",), seeds=(0,))
    paths = RECORDS["write"](tmp_path / "r.duckdb", first)
    with Journal(paths) as journal:
        shared = [{**e, "suite": "second"} for e in first.experiments()]
        journal.append({"record": "planned", "run_id": "run-2", "experiments": shared})
    export_snapshot(paths.results, tmp_path / "second.duckdb", ["second"])
    with reading(tmp_path / "second.duckdb") as con:
        rows = con.execute("SELECT DISTINCT suite, status, test_accuracy IS NOT NULL "
                           "FROM tickets_flat").fetchall()  # fmt: skip
    assert rows == [("second", "ok", True)]


def test_a_snapshot_of_a_snapshot_and_a_merged_one_are_the_same(
    paths: Paths, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.duckdb", tmp_path / "two.duckdb"
    export_snapshot(paths.results, one)
    export_snapshot(one, two)
    assert tables(Paths(two), "journal") == tables(Paths(one), "journal")
    new = Paths(tmp_path / "new.duckdb")
    merge(new, [two])
    assert tables(new, "leaderboard") == tables(paths, "leaderboard")


def test_a_suite_of_a_snapshot_is_exported(paths: Paths, tmp_path: Path) -> None:
    export_snapshot(paths.results, tmp_path / "one.duckdb")
    export_tables(tmp_path / "one.duckdb", tmp_path / "out", format="csv", suites=["quickstart"])
    assert b"evil" not in (tmp_path / "out" / "leaderboard.csv").read_bytes()
    assert len(left(tmp_path / "out")) == len(documented())


def test_a_torn_last_line_is_left_out(paths: Paths, tmp_path: Path) -> None:
    whole = paths.journal.read_bytes()
    with paths.journal.open("a") as file:
        file.write('{"record":"experi')
    export_snapshot(paths.results, tmp_path / "s.duckdb")
    extract_journal(Paths(tmp_path / "s.duckdb"), tmp_path / "journal.jsonl")
    assert (tmp_path / "journal.jsonl").read_bytes() == whole


@pytest.mark.parametrize("size", [0, 1 << 20, 3_000_000])
def test_a_journal_of_any_size_comes_out_as_it_went_in(tmp_path: Path, size: int) -> None:
    """One line of the kind `note` as long as it has to be; it packs to almost nothing."""
    journal = tmp_path / "journal.jsonl"
    frame = b'{"record":"note","text":""}\n'
    text = b"a" * max(0, size - len(frame))
    journal.write_bytes(frame[:-3] + text + frame[-3:] if size >= len(frame) else b"\n" * size)
    assert journal.stat().st_size == size
    make_snapshot(Paths(tmp_path / "s.duckdb"), journal)
    extract_journal(Paths(tmp_path / "s.duckdb"), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == journal.read_bytes()


def test_a_snapshot_takes_the_place_of_another_only_when_asked(
    paths: Paths, tmp_path: Path
) -> None:
    output = tmp_path / "s.duckdb"
    export_snapshot(paths.results, output, ["quickstart"])
    before = output.read_bytes()
    with pytest.raises(UserError, match=r"exists.*--output, or overwrite .*--force"):
        export_snapshot(paths.results, output)
    assert output.read_bytes() == before
    log = output.with_name("s.duckdb.wal")
    log.write_bytes(b"what would be replayed into the new file")
    export_snapshot(paths.results, output, force=True)
    assert not log.exists()
    assert len(tables(Paths(output), "suites")["suites"]) == 2


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("results.duckdb", "belongs to the results being exported"),
        ("results.journal.jsonl", "belongs to the results being exported"),
        ("results.journal.lock", "belongs to the results being exported"),
        (".", "is a folder; name a file"),
        ("notes.txt", "exists; name another file"),
        ("other.duckdb", r"would be mistaken for the database of other\.journal\.jsonl"),
    ],
)
def test_what_a_snapshot_would_destroy_is_kept(
    paths: Paths, name: str, message: str, force: bool
) -> None:
    folder = paths.results.parent
    (folder / "notes.txt").write_text("mine")
    (folder / "other.journal.jsonl").write_text("")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(UserError, match=message):
        export_snapshot(paths.results, folder / name, force=force)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_run_does_not_write_into_a_snapshot(paths: Paths, tmp_path: Path) -> None:
    """The database would be made anew from the run's own journal, and the rest be lost."""
    output = tmp_path / "s.duckdb"
    export_snapshot(paths.results, output)
    with pytest.raises(UserError, match=r"without its journal.*lth-bench merge .*NEW\.duckdb"):
        require_writable(output)


# mistakes, and what stops it


@pytest.mark.parametrize("kind", ["csv", "parquet", "snapshot"])
class TestEach:
    def export(self, kind: str, results: Path, output: Path, *suites: str) -> Any:
        if kind == "snapshot":
            return export_snapshot(results, output, suites)
        return export_tables(results, output, format=kind, suites=suites)

    def test_an_unknown_suite_gets_the_nearest_name(self, kind: str, paths: Paths) -> None:
        with pytest.raises(UserError, match=r"unknown suite 'quikstart'; did you mean 'quickstart"):
            self.export(kind, paths.results, paths.results.parent / "out", "quikstart")
        assert left(paths.results.parent) == set()

    def test_no_results_are_said(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="there are no results at"):
            self.export(kind, tmp_path / "none.duckdb", tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_journal_is_exported(self, kind: str, tmp_path: Path) -> None:
        paths = Paths(tmp_path / "results.duckdb")
        paths.journal.touch()  # as a run leaves it that was killed before its first record
        self.export(kind, paths.results, tmp_path / "out")
        assert left(tmp_path) == {"out"}

    def test_a_folder_that_cannot_be_written_is_named(
        self, kind: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        output = paths.results.parent / "sub" / "out"
        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(DiskError, match=r"cannot write .*sub/out: Permission denied.*--output"):
            self.export(kind, paths.results, output)

    def test_a_full_disk_leaves_nothing(self, kind: str, paths: Paths) -> None:
        """A real refusal: no file may grow beyond 600 bytes."""
        code = f"""
            import resource, signal, sys
            from pathlib import Path
            from lth_bench.errors import UserError
            from lth_bench.store.export import export_snapshot, export_tables
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            results, output = map(Path, sys.argv[1:])
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
            try:
                if {kind!r} == "snapshot":
                    export_snapshot(results, output)
                else:
                    export_tables(results, output, format={kind!r})
            except UserError as error:
                print("clean:", error.message)
        """
        output = paths.results.parent / "out"
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), paths.results, output],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout.startswith(f"clean: cannot write {output}: "), done
        assert "Nothing is left there; free some space" in done.stdout
        assert left(paths.results.parent) == set()
