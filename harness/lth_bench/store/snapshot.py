"""A snapshot: one self-contained database file that includes its journal."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.database import Locked, naming_damage, open_safe, open_writable
from lth_bench.store.fold import build
from lth_bench.store.mark import read_mark
from lth_bench.store.paths import Paths, open_to_read

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLE = "journal"
"""The table with the journal: `part` from 0, and `content`, the bytes of that part compressed by
zlib. Uncompressed it would be most of the file: zlib reduces it to an eighth."""

_PART = 1 << 20
"""Bytes of the journal per part, and the maximum decompressed at a time."""


def make_snapshot(paths: Paths, journal: Path) -> None:
    """Make a new database at `paths` from a journal of complete lines, including the journal.

    It is closed, without a write-ahead log, when this returns.
    """
    build(paths, journal)
    with (
        naming_damage(paths),
        open_writable(paths) as con,
        open_to_read(journal, "journal") as file,
    ):
        con.execute("BEGIN")
        con.execute(f"CREATE TABLE {TABLE} (part BIGINT, content BLOB)")
        con.execute(f"COMMENT ON TABLE {TABLE} IS 'The records all else is made of, by zlib.'")
        part = 0
        while content := file.read(_PART):
            con.execute(f"INSERT INTO {TABLE} VALUES (?, ?)", [part, zlib.compress(content)])
            part += 1
        con.execute("COMMIT")


def extract_journal(paths: Paths, target: Path) -> None:
    """Write the journal of a snapshot to a file.

    UserError for a database that is not ours, damaged, made by a newer version, open elsewhere, or
    without a journal.
    """
    import duckdb

    try:
        con = open_safe(paths, patience=2.0)
    except Locked as error:
        raise UserError(f"{paths.results} is open in {error.holder}; close it there") from error
    with naming_damage(paths), con, target.open("wb") as file:
        read_mark(con, paths)
        # A view of that name could be anything, endless too.
        tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        if (TABLE,) not in tables:
            raise UserError(
                f"{paths.results} has no journal in it, and {paths.journal.name} is not beside it; "
                f"put that file there, or make a snapshot where it is: `lth-bench export snapshot`"
            )
        try:
            _unpack(con, file)
        except (duckdb.BinderException, TypeError, zlib.error) as error:
            raise UserError(
                f"the table {TABLE} of {paths.results} is damaged, or not one that lth-bench made"
            ) from error


def _unpack(con: DuckDBPyConnection, file: IO[bytes]) -> None:
    parts = con.execute(f"SELECT part FROM {TABLE} ORDER BY part").fetchall()
    for (part,) in parts:
        row = con.execute(f"SELECT content FROM {TABLE} WHERE part = ?", [part]).fetchone()
        packed: bytes = row[0] if row is not None else b""
        unpacking = zlib.decompressobj()
        while not unpacking.eof:  # in pieces, since an untrusted part may decompress to any size
            piece = unpacking.decompress(packed, _PART)
            packed = unpacking.unconsumed_tail
            if not (piece or packed or unpacking.eof):
                raise zlib.error("a part is cut short")
            file.write(piece)
