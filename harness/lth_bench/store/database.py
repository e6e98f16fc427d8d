"""Opens results.duckdb: detects other processes that have it open, and damage."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.paths import Paths, disk_error
from lth_bench.store.schema import STORAGE_VERSION, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WRITING = {"storage_compatibility_version": STORAGE_VERSION}

MEMORY_LIMIT = "4GB"
"""Maximum memory of a user's query; it may not spill to disk."""


class Locked(Exception):
    """Another process has the database open."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class Corrupt(UserError):
    """A file that DuckDB cannot read."""


def open_writable(
    paths: Paths, patience: float = 0.0, folder: Path | None = None
) -> DuckDBPyConnection:
    """A writable connection, creating the database if missing; hold it as briefly as possible.

    It can access no files but the database and those in `folder`, and no network: an untrusted
    database may have macros and views named like the functions and tables that we use.

    Retries for `patience` seconds, then raises Locked. Raises Corrupt, or UserError if the folder
    is not accessible.
    """
    paths.make_folder()
    try:
        con = _patiently(lambda: _connect(paths, False, _WRITING), patience)
    except Corrupt:
        time.sleep(0.2)  # another process may be about to write the header
        if not _is_unborn(paths.results):
            raise
        paths.results.unlink()
        con = _connect(paths, False, _WRITING)
    _shut_in(con, folder)
    return con


def open_safe(
    paths: Paths, patience: float = 0.0, folder: Path | None = None
) -> DuckDBPyConnection:
    """A read-only connection on which SQL can access nothing but this database.

    Files cannot be read or written, nor anything attached, loaded, set or spilled to disk; with a
    `folder`, files in it can. Raises Locked if a process with write access has the database open.
    """
    if folder is not None:
        return _patiently(lambda: _open_with_folder(paths, folder.absolute()), patience)
    config = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "temp_directory": "",
        "memory_limit": MEMORY_LIMIT,
    }
    return _patiently(lambda: _connect(paths, True, config), patience)


def _open_with_folder(paths: Paths, folder: Path) -> DuckDBPyConnection:
    config = {"temp_directory": str(folder / "spilled"), "memory_limit": MEMORY_LIMIT}
    con = _connect(paths, True, config)
    _shut_in(con, folder)
    return con


def _shut_in(con: DuckDBPyConnection, folder: Path | None) -> None:
    """Restrict file access to the database itself and files in `folder`."""
    # DuckDB accepts allowed folders only after it has started.
    allowed = "" if folder is None else quoted(str(folder.absolute()))
    con.execute(
        f"SET allowed_directories = [{allowed}]; SET enable_external_access = false; "
        f"SET lock_configuration = true"
    )


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
            raise Corrupt(damaged(paths, text)) from error
        raise


def disk_trouble(error: Exception) -> str | None:
    """The disk problem behind DuckDB's error, if that is what it is."""
    text = str(error)
    if re.search("no space|too large|quota|could not write|read-only file", text, re.I):
        return text.splitlines()[0].rsplit(": ", 1)[-1]
    return None


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
        return duckdb.connect(_name(paths.results), read_only=read_only, config={**config})
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
        raise Corrupt(damaged(paths, text)) from error


def _name(results: Path) -> str:
    """The file's name in a form not mistaken for a service, like md: in md:results, or the home
    folder, like ~ in ~/results.
    """
    return str(results) if results.is_absolute() else os.path.join(".", results)


def _holder(text: str) -> str:
    """The process named in DuckDB's message, as in `python3.11 (PID 123)`."""
    found = re.search(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)", text)
    if found is None:
        return "another process"
    return f"{Path(found['program']).name} (PID {found['pid']})"


def _refusal(paths: Paths, read_only: bool) -> UserError | None:
    """The operating system's error on opening the file; None if it can be opened."""
    try:
        with paths.results.open("rb" if read_only else "ab"):
            return None
    except OSError as error:
        return disk_error(error, paths.results, "open")


def damaged(paths: Paths, text: str) -> str:
    """A message that the database is damaged, with DuckDB's reason and what to do."""
    why = "it is a Parquet file" if _is_parquet(paths.results) else text.splitlines()[0]
    if "in-memory database" in why:  # DuckDB takes data files (.jsonl, .csv) for tables
        why = "it is another kind of file"
    if paths.journal.exists():
        return (
            f"{paths.results} is damaged ({why}). Nothing is lost: every result is in "
            f"{paths.journal}. Rebuild the file with "
            f"`lth-bench db rebuild --results {paths.quoted}`"
        )
    return (
        f"{paths.results} cannot be read as a DuckDB database ({why}), and there is no journal "
        f"{paths.journal} to rebuild it from; name another file with --results"
    )


def _is_parquet(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(4) == b"PAR1"
    except OSError:
        return False


def _is_unborn(results: Path) -> bool:
    """Whether creating this database was interrupted, so that it is empty.

    DuckDB first writes three header blocks of 4096 bytes; a file that ends within them and is empty
    or starts with DuckDB's magic bytes was never a database.
    """
    try:
        with results.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return size == 0 or (size < 3 * 4096 and file.read(12)[8:] == b"DUCK")
    except OSError:
        return False
