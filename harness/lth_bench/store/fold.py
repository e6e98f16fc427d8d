"""Folds the journal into results.duckdb: incremental, in bulk, and safe to repeat."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lth_bench.errors import UserError
from lth_bench.store import latencies, schema
from lth_bench.store.database import (
    Corrupt,
    Locked,
    damaged,
    disk_trouble,
    naming_damage,
    open_writable,
)
from lth_bench.store.mark import FileMark, read_mark, write_mark
from lth_bench.store.paths import DiskError, Paths, disk_error, looks_like_duckdb
from lth_bench.store.staging import copy_lines, stage, unstage
from lth_bench.system.temporary import temporary_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class FoldReport:
    """The result of a fold."""

    state: Literal["current", "folded", "rebuilt", "delayed"]
    """`delayed`: another process has the database open; nothing is lost, fold again later."""
    records: int
    """Journal records folded in."""
    seconds: float
    holder: str | None = None
    """The process that has the database open, as in `python3.11 (PID 123)`."""
    aside: Path | None = None
    """Where the old database is kept, if it had more records than the journal."""

    @property
    def delayed(self) -> bool:
        """Whether it must be repeated later."""
        return self.state == "delayed"

    @property
    def message(self) -> str:
        """The result in a sentence."""
        if self.delayed:
            return (
                f"the database is open in {self.holder}, so it is not up to date yet; nothing is "
                f"lost, and the next command that reads it brings it up to the journal"
            )
        if self.state == "current":
            return "the database is already up to date with the journal"
        text = f"{self.state}: {self.records} records in {self.seconds:.2f} s"
        return f"{text}; {self.loss}" if self.loss else text

    @property
    def loss(self) -> str | None:
        """A message if the journal has lost records."""
        if self.aside is None:
            return None
        return (
            "the journal has fewer records than the database was built from, so the old database "
            "is "
            f"kept as {self.aside}, which --results reads; to continue from it, restore the whole "
            f"journal back"
        )


def fold(paths: Paths, patience: float = 1.0) -> FoldReport:
    """Bring the database up to date with the journal. Cheap if nothing is new.

    Waits up to `patience` seconds for a process that has the database open. A database that is
    missing, of an older version, or of another journal is rebuilt. UserError for a damaged
    database, a damaged journal line, a newer version's database, and a full or read-only disk.
    """
    started = time.monotonic()
    if not paths.journal.exists():
        paths.require()
        return FoldReport(state="current", records=0, seconds=0.0)
    with temporary_folder("lth-bench-fold-") as folder:
        try:
            con = open_writable(paths, patience, Path(folder))
        except Locked as error:
            return FoldReport(
                state="delayed", records=0, seconds=time.monotonic() - started, holder=error.holder
            )
        with naming_damage(paths), con:
            mark = read_mark(con, paths)
            if mark is None:
                mark = _create(con, paths)
            elif mark.schema_version != schema.SCHEMA_VERSION or not mark.continues(paths.journal):
                records, aside = _replace(paths, con, mark.records)
                seconds = time.monotonic() - started
                return FoldReport(state="rebuilt", records=records, seconds=seconds, aside=aside)
            records = _fold_rest(con, mark, paths, paths.journal, Path(folder))
    state: Literal["current", "folded"] = "folded" if records else "current"
    return FoldReport(state=state, records=records, seconds=time.monotonic() - started)


def rebuild(paths: Paths, patience: float = 1.0) -> FoldReport:
    """Rebuild the database from the journal, whatever its state.

    The old file stays until the new one is complete. UserError if there is no journal, or if the
    file is a database of something else.
    """
    started = time.monotonic()
    if not paths.journal.exists():
        raise UserError(
            f"there is no journal {paths.journal} to rebuild {paths.results} from; name other "
            f"results with --results"
        )
    try:
        con = open_writable(paths, patience)
    except Locked as error:
        return FoldReport(
            state="delayed", records=0, seconds=time.monotonic() - started, holder=error.holder
        )
    except Corrupt:
        records, aside = _replace(paths, None)
    else:
        with con:
            mark = None
            with contextlib.suppress(Corrupt), naming_damage(paths):
                mark = read_mark(con, paths)
            records, aside = _replace(paths, con, mark.records if mark is not None else 0)
    return FoldReport(
        state="rebuilt", records=records, seconds=time.monotonic() - started, aside=aside
    )


def build(paths: Paths, journal: Path) -> int:
    """Make a new database at `paths` from a journal elsewhere. Returns the number of records."""
    with (
        temporary_folder("lth-bench-fold-") as folder,
        open_writable(paths, folder=Path(folder)) as con,
    ):
        return _fold_rest(con, _create(con, paths), paths, journal, Path(folder))


def _replace(
    paths: Paths, con: DuckDBPyConnection | None, known: int = 0
) -> tuple[int, Path | None]:
    """Build a new file beside the old one and move it over. `con` holds the old one's lock, if it
    can be opened; `known` is its number of records: if the journal has fewer, the old file is kept.

    Returns the number of records, and where the old file is kept.
    """
    if con is not None:  # we hold the lock: a file here was left by a killed process
        for leftover in paths.results.parent.glob(f".{glob.escape(paths.results.name)}.*.rebuild*"):
            leftover.unlink(missing_ok=True)
    fresh = Paths(paths.results.with_name(f".{paths.results.name}.{uuid.uuid4().hex}.rebuild"))
    try:
        records = build(fresh, paths.journal)
        # The old file's write-ahead log must not be replayed into the new one.
        if con is not None:
            with contextlib.suppress(Corrupt), naming_damage(paths):
                con.execute("CHECKPOINT")
        _log(paths.results).unlink(missing_ok=True)
        aside = None
        if not looks_like_duckdb(
            paths.results
        ):  # another program's file, given by mistake: keep it
            os.replace(paths.results, paths.results.with_name(f"{paths.results.name}.replaced"))
        elif records < known:  # the only copy of what the journal has lost
            aside = _unused(paths.results, f"of-{known}-records")
            os.replace(paths.results, aside)
        os.replace(fresh.results, paths.results)
    except OSError as error:
        raise disk_error(error, paths.results, "write") from error
    finally:
        fresh.results.unlink(missing_ok=True)
        _log(fresh.results).unlink(missing_ok=True)
    return records, aside


def _unused(results: Path, why: str) -> Path:
    """An unused name beside the results."""
    numbers = itertools.count(2)
    found = results.with_name(f"{results.stem}.{why}{results.suffix}")
    while found.exists():
        found = results.with_name(f"{results.stem}.{why}-{next(numbers)}{results.suffix}")
    return found


def _log(results: Path) -> Path:
    """DuckDB's write-ahead log of a database."""
    return results.with_name(results.name + ".wal")


def _create(con: DuckDBPyConnection, paths: Paths) -> FileMark:
    with _transaction(con, paths):
        schema.create(con)
    return FileMark(schema_version=schema.SCHEMA_VERSION, offset=0, records=0, head="", tail="")


def _fold_rest(
    con: DuckDBPyConnection, mark: FileMark, paths: Paths, journal: Path, folder: Path
) -> int:
    """Fold everything after the mark in `journal` into the database. Returns the number of records.

    `folder` is where the connection may read files.
    """
    before = mark.records
    file = folder / "batch.jsonl"
    while (batch := copy_lines(journal, mark, file)) is not None:
        stage(con, batch)
        mark = batch.after()
        with _transaction(con, paths):
            _fold_batch(con)
            write_mark(con, mark)
        unstage(con)
    return mark.records - before


def _fold_batch(con: DuckDBPyConnection) -> None:
    con.execute(schema.sql("fold.sql"))
    con.execute(latencies.FOLD)
    if con.execute("SELECT 1 FROM staged WHERE record = 'planned' LIMIT 1").fetchone():
        con.execute(schema.sql("slots.sql"))
        con.execute("DELETE FROM flat; CREATE TEMP VIEW stale AS FROM slots")
    else:
        con.execute("CREATE TEMP VIEW stale AS FROM slots SEMI JOIN touched USING (experiment_id)")
    con.execute(schema.sql("flat.sql"))
    con.execute("DROP VIEW stale; DROP TABLE touched")
    con.execute(schema.sql("uncommon.sql"))
    con.execute(schema.sql("looks.sql"))


@contextlib.contextmanager
def _transaction(con: DuckDBPyConnection, paths: Paths) -> Iterator[None]:
    """All or nothing. DiskError for disk problems, Corrupt if the tables are no longer ours."""
    import duckdb

    con.execute("BEGIN")
    try:
        yield
        con.execute("COMMIT")
    except duckdb.Error as error:
        why = disk_trouble(error)
        if why is not None:
            raise DiskError(
                f"cannot write {paths.results}: {why}. Every result is in the journal; free some "
                f"space and run `lth-bench db fold --results {paths.quoted}`"
            ) from error
        if isinstance(error, duckdb.ProgrammingError | duckdb.PermissionException):
            raise Corrupt(damaged(paths, str(error))) from error
        raise
