from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lth_bench.errors import UserError
from lth_bench.store import FoldReport, Journal, Paths, fold, reading, rebuild
from lth_bench.store.database import Corrupt, is_current, open_safe
from lth_bench.store.paths import DiskError

Make = Callable[..., Any]

TABLES = (
    "suites", "environments", "plugins", "experiments", "tickets", "metrics", "layers", "curves",
    "trainings", "ticket_trainings", "tickets_flat", "leaderboard",
)  # fmt: skip


def contents(paths: Paths) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted; means to 12 digits, for their sums depend on the order."""

    def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(round(x, 12) if isinstance(x, float) else x for x in row)

    with open_safe(paths) as con:
        found = {name: con.execute(f"FROM {name}").fetchall() for name in TABLES}
    found["leaderboard"] = [rounded(row) for row in found["leaderboard"]]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def state(report: FoldReport) -> tuple[str, int]:
    return report.state, report.records


def lines(paths: Paths) -> list[bytes]:
    return paths.journal.read_bytes().splitlines(keepends=True)


def test_every_record_arrives(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario(controls=("reinit",), outcomes={("snip", 1): ("failed", "boom")})
    paths = write(scenario)
    count = len(lines(paths))
    assert state(fold(paths)) == ("folded", count)
    rows = {name: len(found) for name, found in contents(paths).items()}
    tickets = [r for r, _ in Journal(paths).read() if r["record"] == "ticket"]
    assert rows["tickets"] == len(tickets)
    assert rows["metrics"] == sum(len(t["metrics"]) for t in tickets)
    assert rows["layers"] == sum(len(t["layers"]) for t in tickets)
    assert rows["curves"] == sum(len(t["curve"]) for t in tickets)
    assert rows["ticket_trainings"] == sum(len(t["trainings"]) for t in tickets)
    assert rows["trainings"] == len({u["key"] for t in tickets for u in t["trainings"]})
    assert rows["experiments"] == 12
    assert rows["tickets_flat"] == 3 + 9 * 2 * 2  # dense, and three labels with a control each
    assert rows["suites"] == rows["environments"] == 1
    assert rows["plugins"] == 4


def test_fields_arrive_as_they_were_written(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense", "late_rewind"), seeds=(3,)))
    fold(paths)
    ticket = next(r for r, _ in Journal(paths).read() if r.get("rewind_step") == 100)
    with open_safe(paths) as con:
        relation = con.execute("FROM tickets WHERE ticket_id = ?", [ticket["ticket_id"]])
        names = [column[0] for column in relation.description or ()]
        (row,) = [dict(zip(names, x, strict=True)) for x in relation.fetchall()]
        layers = con.execute(
            "SELECT layer, kind, total, kept FROM layers WHERE ticket_id = ? ORDER BY position",
            [ticket["ticket_id"]],
        ).fetchall()
        (training,) = con.execute("FROM trainings ORDER BY key LIMIT 1").fetchall()
        (command, device) = con.execute("SELECT command, device FROM environments").fetchall()[0]
    for key in ("round", "control", "reported", "target_density", "density", "rewind_step"):
        assert row[key] == ticket[key]
    for key in ("early_stop_step", "val_accuracy", "test_accuracy"):
        assert row[key] == ticket["metrics"].get(key)
    for key, value in ticket["cost"].items():
        assert row[key] == value
    assert layers == [tuple(x.values()) for x in ticket["layers"]]
    assert training[1:] == (0, 1000, 1000, 1e9, 5e8, 1.5, "cpu", 1)
    assert (command, device) == ("lth-bench run quickstart --seeds 3", "cpu")


def test_folding_again_changes_nothing(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario())
    fold(paths)
    before = contents(paths)
    assert state(fold(paths)) == ("current", 0)
    assert contents(paths) == before


def test_line_by_line_is_the_same_as_at_once(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario(
        strategies=("dense", "imp"), seeds=(0, 1), controls=("reinit",),
        outcomes={("imp", 1): ("timeout", "1h")},
    )  # fmt: skip
    paths = write(scenario)
    whole = lines(paths)
    paths.journal.write_bytes(b"")
    for line in whole:
        with paths.journal.open("ab") as file:
            file.write(line)
        assert state(fold(paths)) == ("folded", 1)
    piecewise = contents(paths)
    assert state(rebuild(paths)) == ("rebuilt", len(whole))
    assert contents(paths) == piecewise


def test_batches_are_the_same_as_at_once(
    make_scenario: Make, write: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(make_scenario(controls=("reinit",)))
    fold(paths)
    at_once = contents(paths)
    monkeypatch.setattr(sys.modules["lth_bench.store.fold"], "BATCH_BYTES", 5_000)
    rebuild(paths)
    assert contents(paths) == at_once


def test_the_same_records_twice_are_the_same_rows(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario(strategies=("dense", "imp"))
    once = write(scenario)
    fold(once)
    drop = {"suites", "environments"}  # when they were recorded differs
    before = {name: rows for name, rows in contents(once).items() if name not in drop}
    twice = write(scenario)  # appends to the same journal
    assert fold(twice).state == "folded"
    after = contents(twice)
    assert {k: len(v) for k, v in after.items() if k in before} == {
        k: len(v) for k, v in before.items()
    }
    assert after["leaderboard"] == before["leaderboard"]


def test_the_last_record_of_a_ticket_counts(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario(strategies=("imp",), seeds=(0,), densities=(0.5,))
    paths = write(scenario)
    fold(paths)
    ticket = next(r for r, _ in Journal(paths).read() if r["record"] == "ticket" and r["reported"])
    with Journal(paths) as journal:
        journal.append({**ticket, "metrics": {"test_accuracy": 0.5}, "layers": [], "curve": []})
    fold(paths)
    found = contents(paths)
    assert [r for r in found["metrics"] if r[0] == ticket["ticket_id"]] == [
        (ticket["ticket_id"], "test_accuracy", 0.5)
    ]
    assert not [r for r in found["layers"] if r[0] == ticket["ticket_id"]]
    # and one reported in its place under another id, as after a retry
    with Journal(paths) as journal:
        journal.append({**ticket, "ticket_id": "other", "metrics": {"test_accuracy": 0.7}})
    fold(paths)
    with open_safe(paths) as con:
        assert con.execute("SELECT ticket_id, test_accuracy FROM tickets_flat").fetchall() == [
            ("other", 0.7)
        ]


def test_unknown_records_and_fields_are_passed_over(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    with Journal(paths) as journal:
        journal.append({"record": "trial", "value": 1})
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok", "new": {}})
    assert fold(paths).state == "folded"
    assert is_current(paths)


def test_a_torn_last_line_waits(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense", "imp")))
    fold(paths)
    before = contents(paths)
    with paths.journal.open("ab") as file:
        file.write(b'{"record":"ticket","ticket_id":"hal')
    assert state(fold(paths)) == ("current", 0)
    assert is_current(paths)
    assert contents(paths) == before


@pytest.mark.parametrize("line", ["nonsense", "5", "[]", "{}"])
def test_a_line_that_is_no_record_is_named_and_loses_nothing(
    make_scenario: Make, write: Make, line: str
) -> None:
    paths = write(make_scenario(strategies=("dense", "imp")))
    fold(paths)
    count = len(lines(paths))
    with paths.journal.open("a") as file:
        file.write(line + "\n")
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    with pytest.raises(UserError, match=rf"line {count + 1} is not a record"):
        fold(paths)
    good = [x for x in lines(paths) if x != line.encode() + b"\n"]
    paths.journal.write_bytes(b"".join(good))
    assert state(fold(paths)) == ("folded", 1)


def test_a_field_of_the_wrong_type_is_a_clean_error(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    with paths.journal.open("a") as file:
        file.write('{"record":"ticket","ticket_id":"x","cost":{"steps":"many"}}\n')
    with pytest.raises(UserError, match=r"wrong type .*many.*mend or delete that line"):
        fold(paths)


def test_a_plan_of_any_length_is_one_record(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",), seeds=range(3)))
    big = make_scenario(strategies=("imp",), seeds=range(3000), run_id="big")
    experiments = [{**e, "config": {"pad": "x" * 6000}} for e in big.experiments()]
    with Journal(paths) as journal:  # 19 MB, more than DuckDB takes a JSON object for
        journal.append({"record": "planned", "run_id": "big", "experiments": experiments})
    fold(paths)
    with open_safe(paths) as con:
        assert con.execute("SELECT count(*) FROM experiments").fetchall() == [(3003,)]


# which plans count


def statuses(paths: Paths) -> dict[tuple[Any, ...], int]:
    with reading(paths.results) as con:
        rows = con.execute(
            "SELECT label, config_id, status, count(*) FROM tickets_flat GROUP BY ALL"
        ).fetchall()
    return {(label, config, status): n for label, config, status, n in rows}


def test_the_configuration_planned_last_counts(make_scenario: Make, write: Make) -> None:
    old = make_scenario(strategies=("imp",), config="lr=.1")
    new = make_scenario(strategies=("imp",), config="lr=.2", seeds=(0,), run_id="run-2")
    a, b = (s.experiments()[0]["config_id"] for s in (old, new))
    paths = write(old)
    assert statuses(paths) == {("imp", a, "ok"): 6}
    paths = write(new)
    assert statuses(paths) == {("imp", b, "ok"): 2}
    with Journal(paths) as journal:
        journal.append(old.planned())
    assert statuses(paths) == {("imp", a, "ok"): 6}
    with reading(paths.results) as con:
        assert con.execute(
            "SELECT current, count(*) FROM experiments GROUP BY current ORDER BY current"
        ).fetchall() == [(False, 1), (True, 3)]


def test_the_newest_experiment_of_a_place_counts(make_scenario: Make, write: Make) -> None:
    before = make_scenario(strategies=("imp",))
    after = make_scenario(strategies=("imp",), source_hash="def", seeds=(0,), run_id="run-2")
    paths = write(before)
    with Journal(paths) as journal:
        journal.append(after.planned())
    config = before.experiments()[0]["config_id"]
    assert statuses(paths) == {("imp", config, "ok"): 4, ("imp", config, "planned"): 2}


def test_suites_stay_apart(make_scenario: Make, write: Make) -> None:
    a = make_scenario(strategies=("imp",))
    b = make_scenario(strategies=("imp",), suite="other", config="else", run_id="run-2")
    paths = write(a, b)
    with reading(paths.results) as con:
        assert con.execute(
            "SELECT suite, count(*) FROM tickets_flat GROUP BY suite ORDER BY suite"
        ).fetchall() == [("other", 6), ("quickstart", 6)]


def test_an_experiment_of_two_suites_is_in_both(make_scenario: Make, write: Make) -> None:
    a = make_scenario(strategies=("imp",))
    paths = write(a)
    with Journal(paths) as journal:
        shared = [{**e, "suite": "other"} for e in a.experiments()]
        journal.append({"record": "planned", "run_id": "run-2", "experiments": shared})
    with reading(paths.results) as con:
        assert con.execute(
            "SELECT suite, status, count(*) FROM tickets_flat GROUP BY ALL ORDER BY ALL"
        ).fetchall() == [("other", "ok", 6), ("quickstart", "ok", 6)]


# other processes

HOLD = """
    import sys
    import duckdb
    con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(results: Path, mode: str) -> Iterator[int]:
    """Another process that has the database open, as a notebook would; yields its id."""
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(results), mode]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.kill()


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_locked_database_delays_and_loses_nothing(
    make_scenario: Make, write: Make, mode: str
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    count = len(lines(paths))
    with held(paths.results, mode) as pid:
        write(make_scenario(strategies=("imp",), run_id="run-2"))
        report = fold(paths, patience=0.1)
        assert report.delayed
        assert report.holder is not None
        assert f"(PID {pid})" in report.holder
        assert "python" in report.holder
        assert f"PID {pid}" in report.message
        assert rebuild(paths, patience=0.0).delayed
        notes: list[str] = []
        with reading(paths.results, notes.append) as con:  # the journal's own truth meanwhile
            (found,) = con.execute("SELECT count(DISTINCT label) FROM tickets_flat").fetchall()
        assert found == (2,)
        assert len(notes) == 1
        assert f"PID {pid}" in notes[0]
    assert state(fold(paths)) == ("folded", len(lines(paths)) - count)
    assert len(contents(paths)["tickets_flat"]) == 9


def test_patience_outlasts_a_short_lock(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    write(make_scenario(strategies=("imp",), run_id="run-2"))
    code = f"""
        import time, duckdb
        con = duckdb.connect({str(paths.results)!r})
        print("open", flush=True)
        time.sleep(0.5)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert fold(paths, patience=20.0).state == "folded"
        other.wait()


def test_a_reader_without_a_journal_is_told_who_holds_the_file(
    make_scenario: Make, write: Make, tmp_path: Path
) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    paths.journal.unlink()
    with (
        held(paths.results, "write") as pid,
        pytest.raises(UserError, match=rf"PID {pid}.*close it there"),
        reading(paths.results),
    ):
        pass


def test_this_process_s_own_connection_delays_too(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    fold(paths)
    write(make_scenario(strategies=("imp",), run_id="run-2"))
    with duckdb.connect(str(paths.results), read_only=True):
        report = fold(paths, patience=0.0)
        assert (report.state, report.holder) == ("delayed", "this process")
    assert fold(paths).state == "folded"


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from lth_bench.store import Paths
    module = sys.modules["lth_bench.store.fold"]
    at = sys.argv[2]
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)
    if at == "staging":
        module._fold_batch = die
    elif at == "transaction":
        module.write_mark = die
    elif at == "replacing":
        module.os.replace = die
    else:  # committed, not yet checkpointed
        module.write_mark = lambda con, mark, write=module.write_mark: (
            write(con, mark), con.execute("COMMIT"), die())
    action = module.rebuild if at == "replacing" else module.fold
    action(Paths(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("at", ["staging", "transaction", "committed", "replacing"])
@pytest.mark.parametrize("fresh", [True, False], ids=["new", "existing"])
def test_killed_while_folding(
    make_scenario: Make, write: Make, tmp_path: Path, at: str, fresh: bool
) -> None:
    paths = write(make_scenario(strategies=("dense", "imp")))
    if not fresh:
        fold(paths)
        write(make_scenario(strategies=("snip",), run_id="run-2"))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(paths.results), at], check=False
    )
    assert done.returncode == -signal.SIGKILL
    fold(paths)
    after = contents(paths)
    rebuild(paths)
    assert contents(paths) == after


# damage


def test_a_deleted_database_comes_back(make_scenario: Make, write: Make) -> None:
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
def test_a_damaged_database_names_the_command_that_mends_it(
    make_scenario: Make, write: Make, damage: Callable[[bytes], bytes]
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


@pytest.mark.parametrize("size", [0, 100, 4096, 9000])
def test_a_database_whose_creation_was_cut_short_is_begun_again(
    make_scenario: Make, write: Make, size: int
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


def test_a_database_of_something_else_is_refused(make_scenario: Make, write: Make) -> None:
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


def test_an_older_version_s_database_is_made_anew(make_scenario: Make, write: Make) -> None:
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


def test_a_shorter_journal_is_another_journal(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario())
    fold(paths)
    paths.journal.write_bytes(b"".join(lines(paths)[:5]))
    assert not is_current(paths)
    assert state(fold(paths)) == ("rebuilt", 5)
    assert state(fold(paths)) == ("current", 0)


def test_a_replaced_journal_is_noticed_even_if_longer(
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
    make_scenario: Make, write: Make, tmp_path: Path
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


def test_no_results_at_all_says_how_to_get_some(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "none.duckdb")
    for action in (fold, lambda p: reading(p.results).__enter__()):
        with pytest.raises(UserError, match=r"no results at .*none\.duckdb.*lth-bench run"):
            action(paths)
    assert list(tmp_path.iterdir()) == []


# disks


def test_a_folder_that_cannot_be_written_still_lets_the_journal_be_read(
    make_scenario: Make, write: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(make_scenario(strategies=("dense",)))

    def refuse(*_: object, **__: object) -> None:
        raise DiskError(f"cannot open {paths.results}: Read-only file system. Make it writable")

    monkeypatch.setattr(sys.modules["lth_bench.store.fold"], "fold", refuse)
    notes: list[str] = []
    with reading(paths.results, notes.append) as con:
        assert con.execute("SELECT count(*) FROM tickets_flat").fetchall() == [(3,)]
    assert "Read-only" in notes[0]
    assert not paths.results.exists()


def test_no_space_for_the_database_is_a_clean_error(make_scenario: Make, write: Make) -> None:
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
