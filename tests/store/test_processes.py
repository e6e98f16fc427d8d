from __future__ import annotations

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
from thoroughness import some

from lth_bench.errors import UserError
from lth_bench.store import fold, reading, rebuild

Make = Callable[..., Any]


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
def test_a_locked_database_delays_folding_and_loses_nothing(
    make_scenario: Make, write: Make, mode: str, contents: Make, lines: Make, state: Make
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


def test_folding_waits_for_a_short_lock(make_scenario: Make, write: Make) -> None:
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
        assert fold(paths, patience=200.0).state == "folded"
        other.wait()


def test_reading_a_locked_database_without_journal_names_the_holder(
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


def test_an_open_connection_in_this_process_delays_folding(
    make_scenario: Make, write: Make
) -> None:
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


@pytest.mark.parametrize(
    ("at", "fresh"),
    some(
        [
            ("transaction", True), ("replacing", False), ("committed", False), ("staging", True),
            ("staging", False), ("transaction", False), ("committed", True), ("replacing", True),
        ],
        3,
    ),
)  # fmt: skip
def test_killed_while_folding(
    make_scenario: Make, write: Make, tmp_path: Path, at: str, fresh: bool, contents: Make
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
