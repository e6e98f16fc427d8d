from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from thoroughness import some

from lth_bench.errors import UserError
from lth_bench.store import Journal, Paths, fold, reading, rebuild
from lth_bench.store.database import Corrupt, open_safe
from lth_bench.store.paths import DiskError
from lth_bench.store.reading import is_current

Make = Callable[..., Any]


def test_a_deleted_database_is_rebuilt(make_scenario: Make, write: Make, contents: Make) -> None:
    paths = write(make_scenario())
    fold(paths)
    before = contents(paths)
    paths.results.unlink()
    assert not is_current(paths)
    assert fold(paths).state == "folded"
    assert contents(paths) == before


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"hello" * 9000, id="something else"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut in half"),
        pytest.param(lambda data: data[:20_000], id="little left"),
        pytest.param(lambda data: data[:16384] + b"\xff" * (len(data) - 16384), id="overwritten"),
        pytest.param(lambda data: b"\0" * len(data), id="zeros"),
    ],
)
def test_a_damaged_database_is_an_error_with_the_repair_command(
    make_scenario: Make, write: Make, damage: Callable[[bytes], bytes], contents: Make
) -> None:
    paths = write(make_scenario())
    fold(paths)
    before = contents(paths)
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    paths.results.write_bytes(damage(paths.results.read_bytes()))
    command = rf"lth-bench db rebuild --results {paths.results}"
    with pytest.raises(Corrupt, match=command):
        fold(paths)
    with pytest.raises(Corrupt, match=command), reading(paths.results) as con:
        con.execute("FROM tickets_flat").fetchall()
    assert rebuild(paths).state == "rebuilt"
    after = contents(paths)
    assert after["tickets_flat"] == before["tickets_flat"]
    assert [p for p in paths.results.parent.iterdir() if "rebuild" in p.name] == []


@pytest.mark.parametrize("size", some([0, 4096, 100, 9000], 2))
def test_a_partly_created_database_is_created_again(
    make_scenario: Make, write: Make, size: int, contents: Make
) -> None:
    paths = write(make_scenario())
    fold(paths)
    before = contents(paths)
    paths.results.write_bytes(paths.results.read_bytes()[:size])
    assert fold(paths).state == "folded"
    assert contents(paths) == before


@pytest.mark.parametrize("content", [b"hello", b"some notes of mine\n" * 20])
def test_a_file_of_the_user_s_is_never_removed(
    make_scenario: Make, write: Make, content: bytes
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    paths.results.write_bytes(content)
    with pytest.raises(UserError):
        fold(paths)
    assert paths.results.read_bytes() == content


def test_a_database_of_another_program_is_refused(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    with duckdb.connect(str(paths.results)) as con:
        con.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    for action in (fold, rebuild):
        with pytest.raises(UserError, match="not one of lth-bench's results"):
            action(paths)
    with duckdb.connect(str(paths.results), read_only=True) as con:
        assert con.execute("FROM mine").fetchall() == [(42,)]


def set_version(paths: Paths, version: int) -> None:
    with duckdb.connect(str(paths.results)) as con:
        con.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", [str(version)])


def test_a_newer_version_s_database_is_refused(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    set_version(paths, 999)
    with pytest.raises(UserError, match=r"newer lth-bench \(tables of version 999.*upgrade"):
        fold(paths)
    with pytest.raises(UserError, match="newer"), reading(paths.results):
        pass


def test_an_older_version_s_database_is_rebuilt(
    make_scenario: Make, write: Make, contents: Make
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    before = contents(paths)
    set_version(paths, 0)
    assert not is_current(paths)
    assert fold(paths).state == "rebuilt"
    assert contents(paths) == before


def test_without_its_journal_an_older_database_says_what_is_missing(
    make_scenario: Make, write: Make
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    set_version(paths, 0)
    paths.journal.unlink()
    with pytest.raises(UserError, match="another version"), reading(paths.results):
        pass


def test_a_truncated_journal_rebuilds_the_database(
    make_scenario: Make, write: Make, lines: Make, state: Make
) -> None:
    paths = write(make_scenario())
    fold(paths)
    paths.journal.write_bytes(b"".join(lines(paths)[:5]))
    assert not is_current(paths)
    assert state(fold(paths)) == ("rebuilt", 5)
    assert state(fold(paths)) == ("current", 0)


@pytest.mark.parametrize(
    ("how", "left"),
    some([("fold", 0), ("read", 5), ("rebuild", 5), ("fold", 5), ("rebuild", 0), ("read", 0)], 2),
)
def test_rebuilding_from_a_truncated_journal_keeps_the_old_database(
    make_scenario: Make, write: Make, lines: Make, left: int, how: str, contents: Make
) -> None:
    paths = write(make_scenario())
    fold(paths)
    before, known = contents(paths), len(lines(paths))
    paths.journal.write_bytes(b"".join(lines(paths)[:left]))
    said: list[str] = []
    if how == "read":
        with reading(paths.results, said.append) as con:
            assert con.execute("SELECT count(*) FROM experiments").fetchone() is not None
    else:
        report = fold(paths) if how == "fold" else rebuild(paths)
        said.append(report.loss or "")
    aside = paths.results.with_name(f"results.of-{known}-records.duckdb")
    (message,) = said
    assert f"kept as {aside}" in message
    assert contents(Paths(aside)) == before
    with reading(aside) as con:  # as the message says
        assert con.execute("SELECT count(*) FROM experiments").fetchone() != (0,)
    # once is enough, and a second time harms nothing
    assert fold(paths).loss is None
    assert rebuild(paths).loss is None
    assert contents(Paths(aside)) == before


def test_a_longer_replaced_journal_is_noticed(
    make_scenario: Make, write: Make, tmp_path: Path
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    paths.journal.unlink()
    write(make_scenario(strategies=("imp", "snip"), suite="other", run_id="run-9"))
    assert fold(paths).state == "rebuilt"
    with open_safe(paths) as con:
        assert con.execute("SELECT DISTINCT suite FROM tickets_flat").fetchall() == [("other",)]


def test_a_database_without_its_journal_can_be_read(
    make_scenario: Make, write: Make, tmp_path: Path, state: Make
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    alone = tmp_path / "sent" / "theirs.duckdb"
    alone.parent.mkdir()
    shutil.copy(paths.results, alone)
    assert state(fold(Paths(alone))) == ("current", 0)
    with reading(alone) as con:
        assert con.execute("SELECT count(*) FROM tickets_flat").fetchall() == [(3,)]
    with pytest.raises(UserError, match=r"no journal .*theirs\.journal\.jsonl"):
        rebuild(Paths(alone))


def test_missing_results_are_an_error_with_the_command_to_run(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "none.duckdb")
    for action in (fold, lambda p: reading(p.results).__enter__()):
        with pytest.raises(UserError, match=r"no results at .*none\.duckdb.*lth-bench run"):
            action(paths)
    assert list(tmp_path.iterdir()) == []


def test_results_in_a_read_only_folder_can_be_read(
    make_scenario: Make, write: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(make_scenario(strategies=("dense",)))

    def refuse(*_: object, **__: object) -> None:
        raise DiskError(f"cannot open {paths.results}: Read-only file system. Make it writable")

    monkeypatch.setattr(sys.modules["lth_bench.store.reading"], "fold", refuse)
    notes: list[str] = []
    with reading(paths.results, notes.append) as con:
        assert con.execute("SELECT count(*) FROM tickets_flat").fetchall() == [(3,)]
    assert "Read-only" in notes[0]
    assert not paths.results.exists()


def test_a_full_disk_is_one_error(make_scenario: Make, write: Make, contents: Make) -> None:
    """A real refusal: no file may grow beyond 100 kB."""
    paths = write(make_scenario())
    code = """
        import resource, signal, sys
        from pathlib import Path
        from lth_bench.errors import UserError
        from lth_bench.store import Paths, fold
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            print(fold(Paths(Path(sys.argv[1]))))
        except UserError as error:
            print("clean:", error.message)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(paths.results)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("clean: "), done.stderr
    assert fold(paths).state in ("folded", "rebuilt", "current")
    assert len(contents(paths)["tickets_flat"]) == 21
