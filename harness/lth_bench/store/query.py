"""Runs one SQL statement of the user's on a safe connection."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from lth_bench.errors import UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Statement

T = TypeVar("T")

READS = {"SELECT", "EXPLAIN", "MULTI"}
"""DuckDB's kinds of read-only statement; PIVOT is of the kind MULTI."""


HEARS = 1.0
"""Seconds within which DuckDB reacts to an interruption, if it can."""


@dataclass(frozen=True)
class Answer:
    """A query's columns and its rows, fetched on demand."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def query(
    con: DuckDBPyConnection,
    sql: str,
    limit: float = math.inf,
    unheard: Callable[[BaseException], object] | None = None,
) -> Answer:
    """Run one read-only statement, for at most `limit` seconds until the last row is fetched.

    UserError with DuckDB's explanation if it fails or takes longer.

    DuckDB ignores interruptions within a single function call and while sorting: after a second of
    that, `unheard` is called with the reason for ending the query, and need not return.
    """
    work = _Work(con, limit, unheard)
    statement = _reading(con, sql)
    names, text = _with_texts(con, statement.query)
    with _explaining():
        result = work.do(lambda: con.execute(text or statement))
    found = names or [str(column[0]) for column in result.description or ()]
    return Answer(tuple(found), _rows(work, result))


def one_statement(con: DuckDBPyConnection, sql: str) -> DuckDBPyConnection:
    """Run `sql` if it is one read-only statement; its result is then on the connection."""
    statement = _reading(con, sql)
    with _explaining():
        return _Work(con).do(lambda: con.execute(statement))


def _reading(con: DuckDBPyConnection, sql: str) -> Statement:
    """The one statement in `sql`. UserError if there is not exactly one, or it writes."""
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise UserError("the query has bytes that are not UTF-8") from None
    with _explaining():
        statements = con.extract_statements(sql)
    if len(statements) != 1:
        raise UserError(
            f"expected one SQL statement, but got {len(statements)}; give each its own query"
        )
    kind = str(statements[0].type).rsplit(".", 1)[-1]
    if kind not in READS:
        raise UserError(
            f"a query can only read, but this is a statement of the kind {kind}; "
            f"try `SELECT … FROM leaderboard`, `SHOW TABLES` or `DESCRIBE tickets_flat`"
        )
    return statements[0]


TEXTS = re.compile(r"\b(TIME|TIMETZ|TIME_NS|TIMESTAMP\w*|DATE|INTERVAL|GEOMETRY|VARIANT|TYPE)\b")
"""Types that DuckDB formats better than Python represents them: months are not days, nanoseconds
are truncated, infinity becomes the year 9999, and time zones need a package that may be missing."""
NESTED = re.compile(r"\]$|^(STRUCT|MAP|UNION|TUPLE|VARIANT)\b")
JSON_COLUMN = "lth_bench json "
"""The name of a column whose values are parsed as JSON; followed by its number."""


def _with_texts(con: DuckDBPyConnection, sql: str) -> tuple[list[str], str]:
    """The columns' unique names, and the query with columns of such types converted to text, nested
    ones to JSON; empty if there is nothing to convert or describe.
    """
    import duckdb

    try:
        described = con.execute(f"DESCRIBE FROM (\n{_body(sql)}\n)").fetchall()
    except duckdb.Error:  # EXPLAIN; or an error that running the query reports better
        return [], ""
    names, types = [str(row[0]) for row in described], [str(row[1]) for row in described]
    if not any(map(TEXTS.search, types)):
        return names, ""
    return names, f"SELECT {', '.join(map(_as_text, count(1), types))} FROM (\n{_body(sql)}\n)"


def _body(sql: str) -> str:
    return sql.rstrip().rstrip(";")


def _as_text(number: int, kind: str) -> str:
    if not TEXTS.search(kind):
        return f"#{number}"
    if NESTED.search(kind):
        return f'to_json(#{number}) AS "{JSON_COLUMN}{number}"'
    text = f"CAST(#{number} AS VARCHAR)"
    # as Python and JavaScript write it
    return f"regexp_replace({text}, ' (\\d)', 'T\\1')" if kind.startswith("TIMESTAMP") else text


def plain(value: Any) -> Any:
    """A DuckDB value as JSON; numbers that are not finite become null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime | clock):
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


def _rows(work: _Work, result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    as_json = [str(c[0]).startswith(JSON_COLUMN) for c in result.description or ()]
    with _explaining():
        while batch := work.do(lambda: result.fetchmany(10_000)):
            for row in batch:
                yield tuple(map(_value, row, as_json)) if any(as_json) else row


def _value(value: Any, as_json: bool) -> Any:
    return json.loads(value) if as_json and value is not None else value


class _Work:
    """DuckDB's work for one query, in threads, since it does not react to Ctrl-C while working."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        limit: float = math.inf,
        unheard: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._con, self._limit, self._unheard = con, limit, unheard
        self._end = time.monotonic() + limit

    def do(self, action: Callable[[], T]) -> T:
        future: Future[T] = Future()
        threading.Thread(target=_fulfil, args=(future, action)).start()
        left = self._end - time.monotonic()
        try:
            # a thread cannot wait longer than `threading.TIMEOUT_MAX`
            wait([future], None if math.isinf(left) else max(0.0, min(left, threading.TIMEOUT_MAX)))
        except KeyboardInterrupt as error:
            self._interrupt(future, error)
            raise
        if not future.done():
            late = UserError(
                f"the query took longer than {self._limit:g} s (--timeout); narrow it down, or "
                f"increase the timeout"
            )
            self._interrupt(future, late)
            raise late
        return future.result()

    def _interrupt(self, future: Future[T], reason: BaseException) -> None:
        began = time.monotonic()
        # repeated, since an interruption before the work has started is lost
        while not future.done():
            self._con.interrupt()
            wait([future], timeout=0.1)
            if self._unheard is not None and time.monotonic() - began > HEARS:
                self._unheard(reason)


def _fulfil(future: Future[T], action: Callable[[], T]) -> None:
    try:
        future.set_result(action())
    except BaseException as error:
        future.set_exception(error)


@contextmanager
def _explaining() -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.Error, UnicodeDecodeError) as error:  # its message may end within a character
        raise UserError(_explained(error)) from error


def _explained(error: Exception) -> str:
    """DuckDB's message without links, and with restrictions explained in our terms."""
    text = str(error).strip()
    if "disabled by configuration" in text or "has been locked" in text:
        return f"a query can read this database only: {text.splitlines()[0]}"
    if "Out of Memory" in text:
        return f"the query needs more memory than allowed; narrow it down. {text}"
    return text
