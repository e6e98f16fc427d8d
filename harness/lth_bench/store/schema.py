"""The tables and views of results.duckdb, and the version they are known by."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from lth_bench.store.glossary import COLUMNS, VIEWS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA_VERSION = 12
"""Raised with every change to tables.sql, views.sql or the glossary; older files are rebuilt."""

STORAGE_VERSION = "v1.0.0"
"""Oldest DuckDB whose clients can read the file."""

MAX_SEEDS = 1001
"""Seeds up to which the views give intervals."""

LEVEL = 0.95
"""Level of the views' intervals."""


def create(con: DuckDBPyConnection) -> None:
    """Make tables, views and their comments in an empty database, within a transaction."""
    con.execute(sql("tables.sql"))
    con.execute(sql("views.sql"))
    con.execute(_comments(con))
    con.execute("INSERT INTO t_quantiles SELECT unnest(?), unnest(?)", list(_quantiles()))
    con.execute(
        "INSERT INTO meta VALUES ('schema_version', ?), ('journal_offset', '0'), ('records', '0')",
        [str(SCHEMA_VERSION)],
    )


def _comments(con: DuckDBPyConnection) -> str:
    statements = [f"COMMENT ON VIEW {name} IS {quoted(text)}" for name, text in VIEWS.items()]
    columns = con.execute(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal)"
    ).fetchall()
    statements += [
        f'COMMENT ON COLUMN {view}."{column}" IS {quoted(COLUMNS[column])}'
        for view, column in columns
    ]
    return ";\n".join(statements)


def _quantiles() -> tuple[list[int], list[float]]:
    """Degrees of freedom, and the quantile of each."""
    # scipy.special and not scipy.stats: the same numbers for a tenth of the import.
    from scipy.special import stdtrit

    degrees = list(range(1, MAX_SEEDS))
    return degrees, [float(stdtrit(df, (1 + LEVEL) / 2)) for df in degrees]


def sql(name: str) -> str:
    """One of the SQL files beside this module."""
    return files("lth_bench.store").joinpath(name).read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
