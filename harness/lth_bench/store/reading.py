"""Reads results, whatever state the database is in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.database import Corrupt, Locked, naming_damage, open_safe
from lth_bench.store.fold import build, fold
from lth_bench.store.journal import end_of_lines
from lth_bench.store.mark import read_mark
from lth_bench.store.paths import DiskError, Paths, Unreadable
from lth_bench.store.schema import SCHEMA_VERSION
from lth_bench.system.temporary import temporary_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def reading(
    results: Path, note: Callable[[str], None] | None = None, folder: Path | None = None
) -> Iterator[DuckDBPyConnection]:
    """A safe connection to everything in the journal so far.

    Folds first if the journal is ahead. If another process has the database locked, reads a private
    index made from the journal instead, and tells `note`. SQL can access no files but those in
    `folder`, if given.
    """
    paths = Paths(results)
    paths.require()
    hindrance = None if is_current(paths) else _hindrance(paths, note)
    if hindrance is None:
        try:
            con = open_safe(paths, patience=2.0, folder=folder)
        except Locked as error:
            hindrance = f"{paths.results} is open in {error.holder}"
            if not paths.journal.exists():
                raise UserError(f"{hindrance}; close it there, or copy the file") from error
        else:
            with con, naming_damage(paths):
                yield con
            return
    if note is not None:
        note(f"{hindrance}; reading the journal instead, which takes longer")
    with temporary_folder("lth-bench-") as temporary:
        private = Paths(Path(temporary) / "results.duckdb")
        build(private, paths.journal)
        with open_safe(private, folder=folder) as con:
            yield con


def _hindrance(paths: Paths, note: Callable[[str], None] | None) -> str | None:
    """Fold; returns what prevented it, if anything."""
    try:
        report = fold(paths)
    except Unreadable:
        raise
    except DiskError as error:
        return error.message
    if report.loss:
        (note or to_stderr)(report.loss)
    return f"{paths.results} is open in {report.holder}" if report.delayed else None


def to_stderr(message: str) -> None:
    """A note for the user, separate from the data on stdout."""
    print(f"note: {message}", file=sys.stderr)


def is_current(paths: Paths) -> bool:
    """Whether the database is up to date with the journal. False if that cannot be determined
    cheaply.
    """
    if not paths.results.exists():
        return False
    if not paths.journal.exists():
        _check_version(paths)
        return True
    try:
        with naming_damage(paths), open_safe(paths) as con:
            mark = read_mark(con, paths)
    except (Locked, Corrupt):
        return False
    if mark is None or mark.schema_version != SCHEMA_VERSION:
        return False
    size = paths.journal.stat().st_size
    # An incomplete last line is not folded, so a longer journal may still be completely folded.
    return mark.continues(paths.journal) and end_of_lines(paths.journal, size) == mark.offset


def _check_version(paths: Paths) -> None:
    """UserError for a database without a journal that this version cannot read."""
    try:
        with open_safe(paths) as con:
            mark = read_mark(con, paths)
    except Locked:
        return
    if mark is None or mark.schema_version != SCHEMA_VERSION:
        raise UserError(
            f"{paths.results} was made by another version of lth-bench, and its journal "
            f"{paths.journal.name} is not beside it; put it there, and the file is rebuilt"
        )
