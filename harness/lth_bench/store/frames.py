"""Results as pandas data frames, for notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UnknownName
from lth_bench.store.paths import DEFAULT_RESULTS, Paths
from lth_bench.store.reading import reading, to_stderr

if TYPE_CHECKING:
    from pandas import DataFrame


class Results:
    """One set of results. Every method opens the database, reads, and closes it again.

    So an open notebook never blocks a run, and each call sees what is there by then. Accuracies
    are fractions in [0, 1]. Columns are explained in reports/README.md and in the database.
    """

    def __init__(self, results: Path) -> None:
        self.path = results
        Paths(results).require()

    def tickets(self) -> DataFrame:
        """View `tickets_flat`: one row per planned (experiment, density, control)."""
        return self.table("tickets_flat")

    def leaderboard(self) -> DataFrame:
        """View `leaderboard`: one row per (suite, task, density, label, control)."""
        return self.table("leaderboard")

    def paired(self) -> DataFrame:
        """View `paired`: differences to dense, baseline and own ticket, seed by seed."""
        return self.table("paired")

    def experiments(self) -> DataFrame:
        """View `experiments`: one row per planned experiment."""
        return self.table("experiments")

    def cost(self) -> DataFrame:
        """View `cost`: steps, FLOPs and seconds, search included."""
        return self.table("cost")

    def failures(self) -> DataFrame:
        """View `failures`: planned rows without a result, and why."""
        return self.table("failures")

    def matching(self) -> DataFrame:
        """View `matching`: the sparsest density not worse than dense."""
        return self.table("matching")

    def convergence(self) -> DataFrame:
        """View `convergence`: early-stop steps."""
        return self.table("convergence")

    def pareto(self) -> DataFrame:
        """View `pareto`: accuracy against density and cost."""
        return self.table("pareto")

    def metrics(self) -> DataFrame:
        """Table `metrics`: every metric of every ticket, one a row."""
        return self.table("metrics")

    def layers(self) -> DataFrame:
        """Table `layers`: weights kept in each layer of each ticket."""
        return self.table("layers")

    def curves(self) -> DataFrame:
        """Table `curves`: losses and validation accuracy at each evaluation."""
        return self.table("curves")

    def table(self, name: str) -> DataFrame:
        """Any table or view by name. UnknownName with the nearest one if there is none."""
        with reading(self.path, to_stderr) as con:
            found = con.execute("SELECT table_name FROM information_schema.tables").fetchall()
            known = [table for (table,) in found]
            if name not in known:
                raise UnknownName("table or view", name, known)
            return con.execute(f'FROM "{name}"').df()

    def sql(self, query: str) -> DataFrame:
        """The rows of a query. It can read this database and nothing else."""
        from lth_bench.store.query import one_statement

        with reading(self.path, to_stderr) as con:
            return one_statement(con, query).df()

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r})"


def results(path: Path | str = DEFAULT_RESULTS) -> Results:
    """The results in a DuckDB file, as data frames. UserError if there are none."""
    return Results(Path(path))
