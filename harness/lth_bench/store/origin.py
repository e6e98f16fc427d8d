"""Finds and checks the journal of results to be merged."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.store.database import Corrupt, Locked, naming_damage, open_safe
from lth_bench.store.mark import FileMark, read_mark
from lth_bench.store.paths import Paths
from lth_bench.store.schema import SCHEMA_VERSION
from lth_bench.store.snapshot import extract_journal
from lth_bench.store.staging import copy_lines, stage, unstage
from lth_bench.system.temporary import temporary_folder


def find_journal(other: Path, own: Paths, extracted: Path) -> Path:
    """The journal of results from elsewhere, checked to its end.

    `other` is a database with its journal beside it, a snapshot, whose journal is written to
    `extracted`, or a journal (.jsonl). UserError for anything else, for what is damaged, incomplete
    or newer, and for our own results.
    """
    try:
        return _find(other, own, extracted)
    except OSError as error:
        raise UserError(f"cannot copy the records of {other}: {error.strerror or error}") from error
    except UserError as error:  # the store's own advice concerns our results
        said = error.message.replace(str(extracted), f"{other}, table journal")
        raise UserError(said.replace(" with --results", "")) from error


def _find(other: Path, own: Paths, extracted: Path) -> Path:
    if other.is_dir():
        raise UserError(f"{other} is a folder; name a .duckdb or .journal.jsonl file in it")
    alone = other.suffix == ".jsonl"
    paths = Paths(other)
    journal = other if alone else paths.journal
    if not journal.exists() and (alone or not other.exists()):
        raise UserError(f"there are no results at {other}; name a .duckdb or .journal.jsonl file")
    if _same(journal, own.journal) or _same(other, own.results):
        raise UserError(f"{other} is the file to merge into; name other results")
    if not journal.exists():
        extract_journal(paths, extracted)
        journal = extracted
    elif other.exists() and not alone:
        with suppress(Locked, Corrupt), naming_damage(paths), open_safe(paths) as con:
            read_mark(
                con, paths
            )  # raises for a newer version's or another program's; damage does not matter
    _check(journal)
    return journal


def _check(journal: Path) -> None:
    """UserError unless every line is a record with fields of the right types, and the last is
    complete.
    """
    import duckdb

    size = journal.stat().st_size
    mark = FileMark(schema_version=SCHEMA_VERSION, offset=0, records=0, head="", tail="")
    with temporary_folder("lth-bench-merge-") as folder, duckdb.connect() as con:
        while (batch := copy_lines(journal, mark, Path(folder) / "batch.jsonl")) is not None:
            stage(con, batch)
            unstage(con)
            mark = batch.after()
    if mark.offset < size:
        raise UserError(
            f"{journal} ends in the middle of a record: it was cut off, or a run is writing to it "
            f"now. Copy it again; if it ends so where it comes from, delete its last line there"
        )


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and os.path.samefile(one, other)
