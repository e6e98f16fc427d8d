"""How far a database is up to date with its journal, and whether it is one of ours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.paths import Paths, open_to_read
from lth_bench.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WINDOW = 4096
"""Bytes at the start of the journal and before the offset that are compared."""


@dataclass(frozen=True, kw_only=True)
class FileMark:
    """How much of the journal, in bytes, a database was built from."""

    schema_version: int
    offset: int
    records: int
    head: str
    tail: str

    def continues(self, journal: Path) -> bool:
        """Whether the journal is still the same, possibly with more at its end."""
        return journal.stat().st_size >= self.offset and (self.head, self.tail) == digests(
            journal, self.offset
        )


def read_mark(con: DuckDBPyConnection, paths: Paths) -> FileMark | None:
    """The database's mark; None for an empty one.

    UserError for a database that is not lth-bench's, or was made by a newer version.
    """
    import duckdb

    tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return None
    try:
        meta = dict(con.execute("SELECT key, value FROM meta").fetchall())
        mark = FileMark(
            schema_version=int(meta["schema_version"]),
            offset=int(meta["journal_offset"]),
            records=int(meta["records"]),
            head=meta.get("head", ""),
            tail=meta.get("tail", ""),
        )
    except (duckdb.CatalogException, duckdb.BinderException, KeyError, ValueError) as error:
        raise UserError(
            f"{paths.results} is a DuckDB database, but not one of lth-bench's results; "
            f"name another file with --results"
        ) from error
    if mark.schema_version > SCHEMA_VERSION:
        raise UserError(
            f"{paths.results} was made by a newer lth-bench (tables of version "
            f"{mark.schema_version}, this one knows {SCHEMA_VERSION}); upgrade, or name another "
            f"file with --results"
        )
    return mark


def write_mark(con: DuckDBPyConnection, mark: FileMark) -> None:
    """Store the mark, within the caller's transaction."""
    con.execute("DELETE FROM meta")
    con.execute(
        "INSERT INTO meta VALUES ('schema_version', ?), ('journal_offset', ?), ('records', ?), "
        "('head', ?), ('tail', ?)",
        [str(mark.schema_version), str(mark.offset), str(mark.records), mark.head, mark.tail],
    )


def digests(journal: Path, offset: int) -> tuple[str, str]:
    """Hashes of the journal's first bytes and of the bytes just before an offset.

    They distinguish a journal that has grown from one that was replaced.
    """
    with open_to_read(journal, "journal") as file:
        head = file.read(min(_WINDOW, offset))
        file.seek(max(0, offset - _WINDOW))
        tail = file.read(min(_WINDOW, offset))
    return hashlib.sha256(head).hexdigest(), hashlib.sha256(tail).hexdigest()
