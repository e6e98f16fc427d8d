"""Results as pandas data frames, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UnknownName, UserError
from lth_bench.store.glossary import VIEWS
from lth_bench.store.metric import require_metric
from lth_bench.store.paths import Paths
from lth_bench.store.reading import reading, to_stderr
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pandas import DataFrame

Value = str | int | float | bool | None
Where = Value | Iterable[Value]
"""A filter on a column: one value, or any of several; None matches missing values."""


class Results:
    """One set of results. Every method opens the database, reads, and closes it again.

    So an open notebook never blocks a run, each call sees the current results, and there is nothing
    to close. Select rows by column: `leaderboard(suite="quickstart", control="none", label=["imp",
    "snip"])`. Accuracies are fractions in [0, 1]. Columns are explained in reports/README.md, and
    by `columns`. Rows are in their view's order, those of tables sorted by all columns; types are
    the columns' own, whatever the rows contain: Int64, boolean, float64, text.
    """

    def __init__(self, results: Path) -> None:
        self.path = results
        Paths(results).require()

    def tickets(self, **where: Where) -> DataFrame:
        """View `tickets_flat`: one row per planned (experiment, density, control)."""
        return self.table("tickets_flat", **where)

    def leaderboard(self, metric: str = "score", **where: Where) -> DataFrame:
        """View `leaderboard`: one row per (suite, task, density, label, control).

        `metric`: the metric of `mean`, `rank` and the intervals, such as `test_loss` or one
        reported by a plugin; by default each task's primary metric, which the column `metric`
        names. UnknownName if there is none of that name.
        """
        if metric == "score":
            return self.table("leaderboard", **where)
        return self._chosen("leaderboard", where, metric)

    def paired(self, **where: Where) -> DataFrame:
        """View `paired`: differences to dense, baseline and own ticket, seed by seed."""
        return self.table("paired", **where)

    def dense_runs(self, **where: Where) -> DataFrame:
        """View `dense_runs`: the dense run of each task and seed."""
        return self.table("dense_runs", **where)

    def experiments(self, **where: Where) -> DataFrame:
        """View `experiments`: one row per planned experiment."""
        return self.table("experiments", **where)

    def cost(self, **where: Where) -> DataFrame:
        """View `cost`: steps, FLOPs and seconds, search included."""
        return self.table("cost", **where)

    def sharing(self, **where: Where) -> DataFrame:
        """View `sharing`: steps that a suite's strategies asked for, and those trained."""
        return self.table("sharing", **where)

    def devices(self, **where: Where) -> DataFrame:
        """View `devices`: what each device of a run trained, how fast, in how much memory."""
        return self.table("devices", **where)

    def workers(self, **where: Where) -> DataFrame:
        """View `workers`: what each worker of a run did with its time, and how fast it trained."""
        return self.table("workers", **where)

    def failures(self, **where: Where) -> DataFrame:
        """View `failures`: planned rows without a result, and why."""
        return self.table("failures", **where)

    def matching(self, **where: Where) -> DataFrame:
        """View `matching`: the sparsest density not worse than dense."""
        return self.table("matching", **where)

    def convergence(self, **where: Where) -> DataFrame:
        """View `convergence`: early-stop steps."""
        return self.table("convergence", **where)

    def pareto(self, **where: Where) -> DataFrame:
        """View `pareto`: the tasks' metrics against density and cost."""
        return self.table("pareto", **where)

    def tuning(self, **where: Where) -> DataFrame:
        """View `tuning`: what each search for parameters found, and its cost."""
        return self.table("tuning", **where)

    def trials(self, **where: Where) -> DataFrame:
        """Table `trials`: every trial of every search for parameters."""
        return self.table("trials", **where)

    def metrics(self, **where: Where) -> DataFrame:
        """Table `metrics`: every metric of every ticket, one per row."""
        return self.table("metrics", **where)

    def layers(self, **where: Where) -> DataFrame:
        """Table `layers`: weights kept in each layer of each ticket."""
        return self.table("layers", **where)

    def units(self, **where: Where) -> DataFrame:
        """Table `units`: weights kept of each unit, and of each pixel of an image."""
        return self.table("units", **where)

    def curves(self, **where: Where) -> DataFrame:
        """Table `curves`: losses and the validation metric at each evaluation."""
        return self.table("curves", **where)

    def weights(self, **where: Where) -> DataFrame:
        """Table `weights`: histograms of the surviving weights, before and after training."""
        return self.table("weights", **where)

    def fates(self, **where: Where) -> DataFrame:
        """Table `fates`: kept and pruned weights in the unpruned network's training."""
        return self.table("fates", **where)

    def matrices(self, **where: Where) -> DataFrame:
        """Table `matrices`: for example Early-Bird's distances between masks."""
        return self.table("matrices", **where)

    def outlines(self, **where: Where) -> DataFrame:
        """Table `outlines`: decision boundaries and their dual polygons, as points in the plane."""
        return self.table("outlines", **where)

    def table(self, name: str, /, **where: Where) -> DataFrame:
        """Any table or view by name, filtered by column.

        UnknownName with the nearest name if there is no such table or column.
        """
        return self._chosen(name, where)

    def _chosen(self, name: str, where: dict[str, Where], metric: str | None = None) -> DataFrame:
        import duckdb

        with reading(self.path, to_stderr) as con:
            source = f'"{name}"'
            if metric is not None:
                require_metric(con, metric)
                source = f"{name}_of({quoted(metric)})"
            columns = _columns(con, name)
            conditions, values = ["true"], []
            for column, wanted in where.items():
                if column not in columns:
                    raise UnknownName(f"column of {name}", column, columns)
                condition, chosen = _condition(column, wanted)
                conditions.append(condition)
                values += chosen
            order = "" if name in VIEWS else "ORDER BY ALL"  # views have their own
            query = f"FROM {source} WHERE {' AND '.join(conditions)} {order}"
            try:
                return _frame(con.execute(query, values))
            except duckdb.Error as error:  # a value of another type than the column's
                raise UserError(f"cannot choose rows of {name}: {error}") from error

    def columns(self, name: str = "tickets_flat") -> DataFrame:
        """The columns of a table or view: name, type and meaning."""
        with reading(self.path, to_stderr) as con:
            _columns(con, name)
            found = con.execute(
                "SELECT column_name, data_type, comment FROM duckdb_columns() "
                "WHERE table_name = ? ORDER BY column_index",
                [name],
            )
            return _frame(found)

    def sql(self, query: str) -> DataFrame:
        """The rows of a query. It can read this database and nothing else."""
        from lth_bench.store.query import one_statement

        with reading(self.path, to_stderr) as con:
            return _frame(one_statement(con, query))

    def __repr__(self) -> str:
        """Where the results are, what they contain, and which methods to use."""
        try:
            with reading(self.path) as con:
                rows = con.execute(
                    "SELECT suite, status, count(*) FROM experiments WHERE current "
                    "GROUP BY ALL ORDER BY ALL"
                ).fetchall()
        except UserError as error:
            return f"Results({str(self.path)!r}): {error.message}"
        counts: dict[str, list[str]] = {}
        for suite, status, n in rows:
            counts.setdefault(suite, []).append(f"{n:,} {status}")
        lines = [f"suite {suite!r}, experiments: {', '.join(n)}" for suite, n in counts.items()]
        lines.append("frames: tickets() leaderboard() paired() matching() cost() curves() …")
        lines.append("also: table(NAME), columns(NAME), sql(QUERY)")
        return "\n  ".join([f"Results({str(self.path)!r})", *lines])


NULLABLE = {
    "BOOLEAN": "boolean", "TINYINT": "Int8", "SMALLINT": "Int16", "INTEGER": "Int32",
    "BIGINT": "Int64", "UTINYINT": "UInt8", "USMALLINT": "UInt16", "UINTEGER": "UInt32",
    "UBIGINT": "UInt64",
}  # fmt: skip
"""pandas types with missing values, by DuckDB type."""


def _frame(found: Any) -> DataFrame:
    """A result as a frame with the columns' own types, whatever their rows contain: DuckDB returns
    `int64` for a column without missing values, `Int64` for one with, and `object` for no text.
    """
    import pandas

    kinds = [str(column[1]) for column in found.description]
    frame: DataFrame = found.df()
    text = pandas.Series(["text"]).dtype
    types = {**NULLABLE, "VARCHAR": text, "JSON": text}
    wanted = {n: types[k] for n, k in zip(frame.columns, kinds, strict=True) if k in types}
    return frame.astype(wanted)


def _columns(con: DuckDBPyConnection, name: str) -> list[str]:
    """The columns of a table or view. UnknownName if there is none of that name."""
    rows = con.execute("SELECT table_name, column_name FROM information_schema.columns").fetchall()
    tables: dict[str, list[str]] = {}
    for table, column in rows:
        tables.setdefault(table, []).append(column)
    if name not in tables:
        raise UnknownName("table or view", name, tables)
    return tables[name]


def _condition(column: str, wanted: Where) -> tuple[str, list[Value]]:
    """SQL for a column that must equal one of some values, and its parameters."""
    chosen: list[Value]
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        chosen = [wanted]
    else:
        chosen = list(wanted)
    # numbers from another frame are numpy's, which DuckDB does not accept
    known = [v.item() if hasattr(v, "item") else v for v in chosen if v is not None]
    parts = [f'"{column}" IN ({", ".join("?" * len(known))})'] if known else []
    parts += [f'"{column}" IS NULL'] if len(known) < len(chosen) else []
    return f"({' OR '.join(parts or ['false'])})", known
