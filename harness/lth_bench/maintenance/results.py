"""The health of a set of results: journal, database, and who holds them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.maintenance.finding import Finding
from lth_bench.store.database import Locked, naming_damage, open_safe
from lth_bench.store.journal import MOST_LOCK, decode, end_of_lines, whole_lines
from lth_bench.store.mark import read_mark
from lth_bench.store.paths import Paths
from lth_bench.store.schema import SCHEMA_VERSION
from lth_bench.system.files import read_json

LOOKED_AT = 64 << 20
"""Bytes of the journal that are read through."""


def check_results(paths: Paths) -> Iterator[Finding]:
    """Whether the journal is whole, the database readable, and nobody in the way."""
    if not paths.journal.exists() and not paths.results.exists():
        yield Finding("ok", "results", f"none yet at {paths.results}")
        return
    yield from _journal(paths)
    yield from _writer(paths)
    yield from _database(paths)


def _journal(paths: Paths) -> Iterator[Finding]:
    if not paths.journal.exists():
        yield Finding(
            "warning",
            "journal",
            f"{paths.journal} is missing; the database stands alone",
            "put it beside the database, or merge the database into new results",
        )
        return
    try:
        size = paths.journal.stat().st_size
        count = 0
        for offset, line in whole_lines(paths.journal):
            decode(line, paths.journal, offset)
            count += 1
            if offset > LOOKED_AT:
                break
        torn = size - end_of_lines(paths.journal, size)
    except UserError as error:
        yield Finding("problem", "journal", error.message)
        return
    except OSError as error:
        yield Finding(
            "problem",
            "journal",
            f"{paths.journal} cannot be read: {error.strerror}",
            "make it readable",
        )
        return
    text = f"{count:,} records, {size / 1e6:,.1f} MB"
    if torn:
        yield Finding(
            "warning",
            "journal",
            f"{text}; its last line is torn ({torn} bytes)",
            "the next run sets it aside; nothing before it is lost",
        )
    else:
        yield Finding("ok", "journal", text)


def _writer(paths: Paths) -> Iterator[Finding]:
    from filelock import FileLock, Timeout

    if not paths.lock.exists():
        return
    lock = FileLock(paths.lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield Finding(
            "warning",
            "run",
            f"one is under way: {_named(paths.lock)}",
            "another run on these results waits for its end or takes another --results",
        )
        return
    except OSError:
        return  # a folder that cannot be written to is named elsewhere
    lock.release()


def _named(lock: Path) -> str:
    try:
        about = read_json(lock, MOST_LOCK)
        pid, host = int(about["pid"]), str(about["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown process"
    return f"process {pid} on {host}{_command(pid)}"


def _command(pid: int) -> str:
    """What a process of this machine runs, where the system tells."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        text = b" ".join(words).decode(errors="replace").strip()
        if text:
            return f" ({text[:120]})"
    return ""


def _database(paths: Paths) -> Iterator[Finding]:
    if not paths.results.exists():
        yield Finding("ok", "database", "not made yet; the next command that reads makes it")
        return
    rebuild = f"lth-bench db rebuild --results {paths.quoted}"
    try:
        with naming_damage(paths), open_safe(paths) as con:
            mark = read_mark(con, paths)
            con.execute("SELECT count(*) FROM tickets").fetchall()
    except Locked as error:
        pid = error.holder.rpartition("PID ")[2].rstrip(")")
        command = _command(int(pid)) if pid.isdigit() else ""
        yield Finding(
            "warning",
            "database",
            f"open in {error.holder}{command}",
            "runs go on and fold later; close it there to bring it up to date",
        )
        return
    except UserError as error:
        yield Finding("problem", "database", error.message)
        return
    except Exception as error:  # a table is missing, or is another's
        why = str(error).splitlines()[0]
        yield Finding("problem", "database", f"cannot be read: {why}", f"make it anew: {rebuild}")
        return
    version = mark.schema_version if mark is not None else SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        yield Finding(
            "ok",
            "database",
            f"tables of version {version}; the next command makes them "
            f"anew in version {SCHEMA_VERSION}",
        )
    else:
        yield Finding("ok", "database", f"whole, tables of version {version}")
