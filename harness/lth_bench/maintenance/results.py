"""Checks of the results: journal, database, and the processes that use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.maintenance import Diagnosis
from lth_bench.store.database import Locked, naming_damage, open_safe
from lth_bench.store.journal import MOST_LOCK, decode, end_of_lines, whole_lines
from lth_bench.store.mark import read_mark
from lth_bench.store.paths import Paths
from lth_bench.store.schema import SCHEMA_VERSION
from lth_bench.system.files import read_json

CHECKED_BYTES = 64 << 20
"""Bytes of the journal that are checked; the rest would take too long."""


def check_results(paths: Paths) -> Iterator[Diagnosis]:
    """Check that the journal is complete, the database readable, and no other process uses them."""
    if not paths.journal.exists() and not paths.results.exists():
        yield Diagnosis("ok", "results", f"none yet at {paths.results}")
        return
    yield from _journal(paths)
    yield from _writer(paths)
    yield from _database(paths)


def _journal(paths: Paths) -> Iterator[Diagnosis]:
    if not paths.journal.exists():
        yield Diagnosis(
            "warning",
            "journal",
            f"{paths.journal} is missing, so nothing can be added to these results",
            "move it back beside the database, or merge the database into new results",
        )
        return
    try:
        size = paths.journal.stat().st_size
        count = 0
        for offset, line in whole_lines(paths.journal):
            decode(line, paths.journal, offset)
            count += 1
            if offset > CHECKED_BYTES:
                break
        torn = size - end_of_lines(paths.journal, size)
    except UserError as error:
        yield Diagnosis("problem", "journal", error.message)
        return
    except OSError as error:
        yield Diagnosis(
            "problem",
            "journal",
            f"{paths.journal} cannot be read: {error.strerror}",
            "make it readable",
        )
        return
    text = f"{count:,} records, {size / 1e6:,.1f} MB"
    if torn:
        yield Diagnosis(
            "warning",
            "journal",
            f"{text}; its last line is incomplete ({torn} bytes)",
            "nothing to do: the next run sets that line aside, and only that record is lost",
        )
    else:
        yield Diagnosis("ok", "journal", text)


def _writer(paths: Paths) -> Iterator[Diagnosis]:
    from filelock import FileLock, Timeout

    if not paths.lock.exists():
        return
    lock = FileLock(paths.lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield Diagnosis(
            "warning",
            "run",
            f"in progress: {_named(paths.lock)}",
            "before another run, wait for it to end, or use another --results",
        )
        return
    except OSError:
        return  # `check_folder` reports a folder that is not writable
    lock.release()


def _named(lock: Path) -> str:
    try:
        about = read_json(lock, MOST_LOCK)
        pid, host = int(about["pid"]), str(about["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown process"
    return f"process {pid} on {host}{_command(pid)}"


def _command(pid: int) -> str:
    """The command of a process on this machine, where the system reports it."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        text = b" ".join(words).decode(errors="replace").strip()
        if text:
            return f" ({text[:120]})"
    return ""


def _database(paths: Paths) -> Iterator[Diagnosis]:
    if not paths.results.exists():
        yield Diagnosis(
            "ok", "database", "not created yet; the next command that reads results creates it"
        )
        return
    rebuild = f"lth-bench db rebuild --results {paths.quoted}"
    try:
        with naming_damage(paths), open_safe(paths) as con:
            mark = read_mark(con, paths)
            con.execute("SELECT count(*) FROM tickets").fetchall()
    except Locked as error:
        pid = error.holder.rpartition("PID ")[2].rstrip(")")
        command = _command(int(pid)) if pid.isdigit() else ""
        yield Diagnosis(
            "warning",
            "database",
            f"open in {error.holder}{command}",
            "runs go on and update it later; to update it now, close it there",
        )
        return
    except UserError as error:
        yield Diagnosis("problem", "database", error.message)
        return
    except Exception as error:  # a table is missing or has other columns
        why = str(error).splitlines()[0]
        yield Diagnosis("problem", "database", f"cannot be read: {why}", f"rebuild it: {rebuild}")
        return
    version = mark.schema_version if mark is not None else SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        yield Diagnosis(
            "ok",
            "database",
            f"tables of version {version}; the next command rebuilds them "
            f"as version {SCHEMA_VERSION}",
        )
    else:
        yield Diagnosis("ok", "database", f"readable, tables of version {version}")
