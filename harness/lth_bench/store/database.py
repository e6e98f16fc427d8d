"""Opening results.duckdb: who else has it open, and whether it is whole."""

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
"""Most that a query of the user's may take; it may not spill to disk."""


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
    """A connection that may write, made if missing, for as short a time as possible.

    Beside the database it reads and writes no file but those in `folder`, and no network: a
    stranger's database may have macros and views in place of the functions and tables we name.
    Tries for `patience` seconds, then raises Locked. Raises Corrupt, or UserError where the
    folder refuses.
    """
    paths.make_folder()
    try:
        con = _patiently(lambda: _connect(paths, False, _WRITING), patience)
    except Corrupt:
        time.sleep(0.2)  # it may be another process that is just about to write the header
        if not _is_unborn(paths.results):
            raise
        paths.results.unlink()
        con = _connect(paths, False, _WRITING)
    _shut_in(con, folder)
    return con


def open_safe(
    paths: Paths, patience: float = 0.0, folder: Path | None = None
) -> DuckDBPyConnection:
    """A read-only connection on which SQL can touch nothing but this database.

    No file is read or written, nothing is attached, loaded, set or spilled to disk; with a
    `folder`, files in it are. Raises Locked if a process that may write has the database open.
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
    """From now on, no file but the database itself and those in `folder`."""
    # DuckDB takes folders that are allowed only after it has started.
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
    """Why the disk refuses, where that is what DuckDB's error is about."""
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
    """The file's name, where nothing can be taken for a service's, as md: of md:results, nor for
    the home folder, as the ~ of ~/results.
    """
    return str(results) if results.is_absolute() else os.path.join(".", results)


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


def damaged(paths: Paths, text: str) -> str:
    """That the database is damaged, by DuckDB's message, and what to do."""
    why = text.splitlines()[0]
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
