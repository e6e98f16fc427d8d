"""Opening results.duckdb: who holds it, whether it is ours, whether it is whole, how far it is."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.journal import end_of_lines
from lth_bench.store.paths import DiskError, Paths, disk_error
from lth_bench.store.schema import SCHEMA_VERSION, STORAGE_VERSION

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "4GB"
"""Most that a query of the user's may take; it may not spill to disk."""

_WINDOW = 4096
"""Bytes at the beginning of the journal and before the offset that are compared with it."""


class Locked(Exception):
    """Another process has the database open."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class Corrupt(UserError):
    """A file that DuckDB cannot read."""


@dataclass(frozen=True)
class Mark:
    """How far a database has come: the bytes of the journal it was folded from."""

    schema_version: int
    offset: int
    records: int
    head: str
    tail: str

    def continues(self, journal: Path) -> bool:
        """Whether the journal is still the one folded so far, perhaps with more at its end."""
        return journal.stat().st_size >= self.offset and (self.head, self.tail) == digests(
            journal, self.offset
        )


def open_writable(paths: Paths, patience: float = 0.0) -> DuckDBPyConnection:
    """A connection that may write, made if missing, for as short a time as possible.

    Tries for `patience` seconds, then raises Locked. Raises Corrupt, or UserError where the
    folder refuses.
    """
    paths.make_folder()
    config = {"storage_compatibility_version": STORAGE_VERSION}
    try:
        return _patiently(lambda: _connect(paths, False, config), patience)
    except Corrupt:
        time.sleep(0.2)  # it may be another process that is just about to write the header
        if not _is_unborn(paths.results):
            raise
        paths.results.unlink()
        return _connect(paths, False, config)


def open_safe(paths: Paths, patience: float = 0.0) -> DuckDBPyConnection:
    """A read-only connection on which SQL can touch nothing but this database.

    No file is read or written, nothing is attached, loaded, set or spilled to disk. Raises
    Locked if a process that may write has the database open.
    """
    config = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "temp_directory": "",
        "memory_limit": MEMORY_LIMIT,
    }
    return _patiently(lambda: _connect(paths, True, config), patience)


@contextmanager
def reading(
    results: Path, note: Callable[[str], None] | None = None
) -> Iterator[DuckDBPyConnection]:
    """A safe connection to everything that the journal holds by now.

    Folds first where the journal is ahead. While another process has the database locked, reads
    a private index made from the journal instead, and tells `note` so.
    """
    from lth_bench.store.fold import fold

    paths = Paths(results)
    paths.require()
    if not is_current(paths):
        hindrance = None
        try:
            report = fold(paths)
            if report.delayed:
                hindrance = f"{paths.results} is open in {report.holder}"
        except DiskError as error:
            hindrance = error.message
        if hindrance is not None:
            if note is not None:
                note(f"{hindrance}; reading the journal instead, which takes longer")
            with _private_index(paths.journal) as con:
                yield con
            return
    try:
        con = open_safe(paths, patience=2.0)
    except Locked as error:
        raise UserError(
            f"{paths.results} is open in {error.holder}; close it there, or copy the file"
        ) from error
    with con, naming_damage(paths):
        yield con


def to_stderr(message: str) -> None:
    """A note for the person at the terminal, apart from the data on stdout."""
    print(f"note: {message}", file=sys.stderr)


@contextmanager
def _private_index(journal: Path) -> Iterator[DuckDBPyConnection]:
    from lth_bench.store.fold import build

    with tempfile.TemporaryDirectory(prefix="lth-bench-") as folder:
        private = Paths(Path(folder) / "results.duckdb")
        build(private, journal)
        with open_safe(private) as con:
            yield con


@contextmanager
def naming_damage(paths: Paths) -> Iterator[None]:
    """Turn DuckDB's errors that mean a damaged file into Corrupt, which says what to do."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        kinds = (duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
        text = str(error)
        if isinstance(error, kinds) or re.search("corrupt|checksum|enough bytes", text, re.I):
            raise Corrupt(_corrupt(paths, text)) from error
        raise


def is_current(paths: Paths) -> bool:
    """Whether the database holds all of the journal. False where that cannot be told cheaply."""
    if not paths.results.exists():
        return False
    if not paths.journal.exists():
        check_version(paths)
        return True
    try:
        with naming_damage(paths), open_safe(paths) as con:
            mark = read_mark(con, paths)
    except (Locked, Corrupt):
        return False
    if mark is None or mark.schema_version != SCHEMA_VERSION:
        return False
    size = paths.journal.stat().st_size
    # A torn last line stays unfolded, so a longer journal may still be wholly folded.
    return mark.continues(paths.journal) and end_of_lines(paths.journal, size) == mark.offset


def check_version(paths: Paths) -> None:
    """UserError for a database without a journal that this version cannot read."""
    try:
        with open_safe(paths) as con:
            mark = read_mark(con, paths)
    except Locked:
        return
    if mark is None or mark.schema_version != SCHEMA_VERSION:
        raise UserError(
            f"{paths.results} was made by another version of lth-bench, and its journal "
            f"{paths.journal.name} is not beside it; put it there, and the file is made anew"
        )


def read_mark(con: DuckDBPyConnection, paths: Paths) -> Mark | None:
    """How far the database is; None for an empty one.

    UserError for a database that is not lth-bench's, or that a newer version made.
    """
    tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return None
    if not {"meta", "plans", "tickets"} <= tables:
        raise UserError(
            f"{paths.results} is a DuckDB database, but not one of lth-bench's results; "
            f"name another file with --results"
        )
    meta = dict(con.execute("SELECT key, value FROM meta").fetchall())
    version = int(meta["schema_version"])
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{paths.results} was made by a newer lth-bench (tables of version {version}, this "
            f"one knows {SCHEMA_VERSION}); upgrade, or name another file with --results"
        )
    return Mark(
        version,
        int(meta["journal_offset"]),
        int(meta["records"]),
        meta.get("head", ""),
        meta.get("tail", ""),
    )


def write_mark(con: DuckDBPyConnection, mark: Mark) -> None:
    """Record how far the database is, within the caller's transaction."""
    con.execute("DELETE FROM meta")
    con.execute(
        "INSERT INTO meta VALUES ('schema_version', ?), ('journal_offset', ?), ('records', ?), "
        "('head', ?), ('tail', ?)",
        [str(mark.schema_version), str(mark.offset), str(mark.records), mark.head, mark.tail],
    )


def digests(journal: Path, offset: int) -> tuple[str, str]:
    """Hashes of the journal's first bytes and of the bytes just before an offset.

    They tell a journal that has grown from one that was replaced.
    """
    with journal.open("rb") as file:
        head = file.read(min(_WINDOW, offset))
        file.seek(max(0, offset - _WINDOW))
        tail = file.read(min(_WINDOW, offset))
    return hashlib.sha256(head).hexdigest(), hashlib.sha256(tail).hexdigest()


def _patiently(connect: Callable[[], DuckDBPyConnection], patience: float) -> DuckDBPyConnection:
    deadline = time.monotonic() + patience
    pause = 0.02
    while True:
        try:
            return connect()
        except Locked:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 0.5)


def _connect(paths: Paths, read_only: bool, config: Mapping[str, str]) -> DuckDBPyConnection:
    import duckdb

    try:
        return duckdb.connect(str(paths.results), read_only=read_only, config={**config})
    except duckdb.ConnectionException as error:
        if "different configuration" in str(error):
            raise Locked("this process") from error
        raise
    except duckdb.Error as error:
        text = str(error)
        if "Could not set lock" in text or "Conflicting lock" in text:
            raise Locked(_holder(text)) from error
        refused = _refusal(paths, read_only)
        if refused is not None:
            raise refused from error
        raise Corrupt(_corrupt(paths, text)) from error


def _holder(text: str) -> str:
    """The process that DuckDB's message names, as in `python3.11 (PID 123)`."""
    found = re.search(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)", text)
    if found is None:
        return "another process"
    return f"{Path(found['program']).name} (PID {found['pid']})"


def _refusal(paths: Paths, read_only: bool) -> UserError | None:
    """What the operating system says to opening the file, or None if it allows it."""
    try:
        with paths.results.open("rb" if read_only else "ab"):
            return None
    except OSError as error:
        return disk_error(error, paths.results, "open")


def _corrupt(paths: Paths, text: str) -> str:
    why = text.splitlines()[0]
    if paths.journal.exists():
        return (
            f"{paths.results} is damaged ({why}). Nothing is lost: every result is in "
            f"{paths.journal}. Make the file anew with "
            f"`lth-bench db rebuild --results {paths.results}`"
        )
    return (
        f"{paths.results} cannot be read as a DuckDB database ({why}), and there is no journal "
        f"{paths.journal} to make it anew from; name another file with --results"
    )


def _is_unborn(results: Path) -> bool:
    """Whether the very creation of this database was cut short, so that there is nothing in it.

    DuckDB writes three header blocks of 4096 bytes first; a file that ends within them and is
    empty or bears DuckDB's mark was never a database.
    """
    try:
        with results.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return size == 0 or (size < 3 * 4096 and file.read(12)[8:] == b"DUCK")
    except OSError:
        return False
