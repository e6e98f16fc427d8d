"""Exports results: every documented table as a file, or one self-contained database."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.store import schema
from lth_bench.store.database import disk_trouble
from lth_bench.store.glossary import VIEWS
from lth_bench.store.paths import DiskError, Paths, Unreadable, looks_like_duckdb
from lth_bench.store.reading import reading
from lth_bench.store.snapshot import extract_journal, make_snapshot
from lth_bench.store.subset import copy_suites

INTERNAL = frozenset(
    {
        "meta",
        "t_quantiles",
        "plans",
        "tasks",
        "cells",
        "slots",
        "flat",
        "outcomes",
        "uncommon",
        "worker_uses",
    }
)
"""Tables behind the views; they may change, and are not exported."""

OPTIONS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}
"""Options of DuckDB's COPY, by format."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    output: Path
    files: int
    bytes: int


def documented() -> list[str]:
    """The views and the documented tables: always ours, never names read from a database."""
    tables = re.findall(r"^CREATE TABLE (\w+)", schema.sql("tables.sql"), re.M)
    return [*VIEWS, *(table for table in tables if table not in INTERNAL)]


def export_tables(
    results: Path,
    folder: Path,
    *,
    format: str,
    suites: Sequence[str] = (),
    force: bool = False,
    note: Callable[[str], None] | None = None,
) -> Exported:
    """Write every documented view and table to a file of that name in `folder`.

    `format` is a key of OPTIONS. Rows are in their view's order, those of tables sorted by all
    columns, so that the same results give the same files. UserError if a file exists (unless
    `force`), and for an unknown suite; DiskError for disk problems, after which nothing is left
    behind.
    """
    Paths(results).require()
    names = {name: f"{name}.{format}" for name in documented()}
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder with --output")
    there = [file for file in names.values() if (folder / file).exists()]
    if there and not force:
        raise UserError(
            f"{folder} has {len(there)} of these files already, such as {there[0]}; name another "
            f"folder with --output, or overwrite them with --force"
        )
    with set_aside(folder, inside=folder.exists()) as aside:
        files = aside / "files"
        files.mkdir()
        source = select_journal(results, suites, aside).results if suites else results
        with reading(source, note, aside) as con:
            for name, file in names.items():
                order = "" if name in VIEWS else "ORDER BY ALL"  # views have their own
                target = schema.quoted(str((files / file).absolute()))
                con.execute(f"COPY (FROM {name} {order}) TO {target} ({OPTIONS[format]})")
        size = sum(file.stat().st_size for file in files.iterdir())
        if folder.exists():
            for file in names.values():
                os.replace(files / file, folder / file)
        else:
            files.rename(folder)
    return Exported(folder, len(names), size)


def export_snapshot(
    results: Path, output: Path, suites: Sequence[str] = (), force: bool = False
) -> Exported:
    """Write one self-contained database, which `merge` accepts.

    It has the journal's records in a table, and is closed, complete and without a write-ahead log.
    UserError if the file exists (unless `force`), and for an unknown suite; DiskError for disk
    problems, after which nothing is left behind.
    """
    own = Paths(results)
    own.require()
    _check_target(output, own, force)
    with set_aside(output) as aside:
        journal = select_journal(results, suites, aside).journal
        snapshot = aside / "snapshot.duckdb"
        make_snapshot(Paths(snapshot), journal)
        size = snapshot.stat().st_size
        # an old file's write-ahead log must not be replayed into the new one
        output.with_name(output.name + ".wal").unlink(missing_ok=True)
        os.replace(snapshot, output)
    return Exported(output, 1, size)


def select_journal(results: Path, suites: Sequence[str], folder: Path) -> Paths:
    """Results in `folder` that have only a journal: that of some suites; of all if none is given.

    UserError for an unknown suite, and for a database without a journal beside or in it.
    """
    paths, selected = Paths(results), Paths(folder / "selected.duckdb")
    journal = paths.journal
    if not journal.exists():
        journal = folder / "all.jsonl"
        extract_journal(paths, journal)
    copy_suites(journal, suites, selected.journal)
    return selected


def _check_target(output: Path, own: Paths, force: bool) -> None:
    """UserError if a snapshot would overwrite something, or be mistaken for something else."""
    if output.is_dir():
        raise UserError(f"{output} is a folder; name a file in it with --output")
    beside = Paths(output).journal
    if output.exists():
        ours = (own.results, own.journal, own.lock, own.torn)
        if any(path.exists() and os.path.samefile(output, path) for path in ours):
            raise UserError(
                f"{output} belongs to the results being exported; name another file with --output"
            )
        if not force or not looks_like_duckdb(output):
            way = ", or overwrite it with --force" if looks_like_duckdb(output) else ""
            raise UserError(f"{output} exists; name another file with --output{way}")
    if beside.exists():
        raise UserError(
            f"{output} would be mistaken for the database of {beside.name} beside it; "
            f"name another file with --output"
        )


@contextmanager
def set_aside(target: Path, inside: bool = False) -> Iterator[Path]:
    """A folder on the same disk in which to build something before moving it into place."""
    import duckdb

    parent = target if inside else target.absolute().parent
    folder = parent / f".lth-bench-{uuid.uuid4().hex}.partial"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise _refused(target, error.strerror or str(error)) from error
    except Unreadable:
        raise
    except DiskError as error:  # its advice concerns the results, not the export
        raise _refused(target, error.message.split(". ")[0].rsplit(": ", 1)[-1]) from error
    except duckdb.Error as error:
        why = disk_trouble(error)
        if why is not None:
            raise _refused(target, why) from error
        raise UserError(f"cannot export to {target}: {str(error).splitlines()[0]}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refused(target: Path, why: str) -> DiskError:
    return DiskError(
        f"cannot write {target}: {why}. Nothing is left there; free some space or make it "
        f"writable, or name another place with --output"
    )
