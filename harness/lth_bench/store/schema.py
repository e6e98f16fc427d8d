"""The tables and views of results.duckdb, and their version."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

from lth_bench.store import metric
from lth_bench.store.glossary import COLUMNS, VIEWS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA_VERSION = 31
"""Increased with every change to the SQL files or the glossary; older files are rebuilt."""

STORAGE_VERSION = "v1.0.0"
"""Oldest DuckDB whose clients can read the file."""

MAX_SEEDS = 1001
"""Maximum number of seeds for which the views give intervals."""

LEVEL = 0.95
"""Confidence level of the views' intervals."""

NOTHING = """SELECT NULL::INTEGER AS task, NULL::BIGINT AS seed, NULL::DOUBLE AS target_density,
    NULL::DOUBLE AS value WHERE false"""
"""What leaderboard.sql compares with if only dense is requested."""


def create(con: DuckDBPyConnection) -> None:
    """Create tables, views and their comments in an empty database, within a transaction."""
    con.execute(sql("tables.sql"))
    con.execute(metric.macros())
    con.execute(sql("macros.sql"))
    con.execute(
        "CREATE MACRO board_of(metric_name) AS TABLE "
        + leaderboard_sql("metric_name", "FROM scored(metric_name)", "FROM dense_of(metric_name)")
    )
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


def leaderboard_sql(metric: str, rows: str, dense: str, base: str = NOTHING) -> str:
    """The query of leaderboard.sql.

    Args:
        metric: SQL expression of the metric's name.
        rows: Query for the rows to sum up, with the columns of the macro `scored`.
        dense: Query for the dense runs, with the columns of the macro `dense_of`.
        base: Query for what to compare with: task, seed, target_density, value.
    """
    parts = {"metric": metric, "rows": rows, "dense": dense, "base": base}
    code = re.sub(r"--.*", "", sql("leaderboard.sql"))
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], code)


def _quantiles() -> tuple[list[int], list[float]]:
    """Degrees of freedom, and the quantile for each."""
    # scipy.special instead of scipy.stats: the same numbers at a tenth of the import time.
    from scipy.special import stdtrit

    degrees = list(range(1, MAX_SEEDS))
    return degrees, [float(stdtrit(df, (1 + LEVEL) / 2)) for df in degrees]


def sql(name: str) -> str:
    """One of the SQL files beside this module."""
    return files("lth_bench.store").joinpath(name).read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
