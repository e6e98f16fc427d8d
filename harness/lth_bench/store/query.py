"""One statement of the user's, on a connection that can do no harm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from lth_bench.errors import UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

READS = {"SELECT", "EXPLAIN", "MULTI"}
"""DuckDB's kinds of statement that only read; PIVOT is of the kind MULTI."""


@dataclass(frozen=True)
class Answer:
    """A query's columns and its rows, fetched as they are asked for."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def query(con: DuckDBPyConnection, sql: str) -> Answer:
    """Run one reading statement. UserError with DuckDB's explanation if it fails."""
    result = one_statement(con, sql)
    columns = tuple(str(column[0]) for column in result.description or ())
    return Answer(columns, _rows(result))


def one_statement(con: DuckDBPyConnection, sql: str) -> DuckDBPyConnection:
    """Run `sql` if it is one statement that reads, and leave its result on the connection."""
    import duckdb

    try:
        statements = con.extract_statements(sql)
        if len(statements) != 1:
            raise UserError(
                f"one SQL statement is expected, but got {len(statements)}; give each its own query"
            )
        kind = str(statements[0].type).rsplit(".", 1)[-1]
        if kind not in READS:
            raise UserError(
                f"a query can only read, but this is a statement of the kind {kind}; "
                f"try `SELECT … FROM leaderboard`, `SHOW TABLES` or `DESCRIBE tickets_flat`"
            )
        return _interruptibly(con, lambda: con.execute(statements[0]))
    except (duckdb.Error, UnicodeDecodeError) as error:  # its message may end within a character
        raise UserError(_explained(error)) from error


def plain(value: Any) -> Any:
    """A DuckDB value as JSON has it; numbers that are not finite become null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return str(value)


def _rows(result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    import duckdb

    try:
        while batch := _interruptibly(result, lambda: result.fetchmany(10_000)):
            yield from batch
    except (duckdb.Error, UnicodeDecodeError) as error:  # its message may end within a character
        raise UserError(_explained(error)) from error


def _interruptibly(con: DuckDBPyConnection, action: Callable[[], T]) -> T:
    """Do it in a thread, for DuckDB does not hear Ctrl-C while it works."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(action)
        try:
            return future.result()
        except KeyboardInterrupt:
            # an interruption that comes before the work has begun is lost, hence again
            while not future.done():
                con.interrupt()
                wait([future], timeout=0.1)
            raise


def _explained(error: Exception) -> str:
    """DuckDB's message without its links, with what is refused said in our words."""
    text = str(error).strip()
    if "disabled by configuration" in text or "has been locked" in text:
        return f"a query can read this database only: {text.splitlines()[0]}"
    if "Out of Memory" in text:
        return f"the query needs more memory than it may take; narrow it down. {text}"
    return text
