"""`lth_bench.results()`: frames of a database, and what a notebook shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UnknownName
from lth_bench.store.frames import Results, Where
from lth_bench.store.paths import default_results
from lth_bench.store.reading import reading, to_stderr

if TYPE_CHECKING:
    from pandas import DataFrame

    from lth_bench.notebook.views import CardView, FigureView


class NotebookResults(Results):
    """One set of results, as frames, and as a notebook shows them.

    All methods of `Results`; `leaderboard` returns a frame that Jupyter shows as a table with its
    intervals drawn, `card` what came of a suite, and `figure` one of the report's figures.
    """

    def leaderboard(self, metric: str = "score", **where: Where) -> DataFrame:
        """View `leaderboard`, as `Results.leaderboard` returns it.

        Jupyter shows the frame, and what is selected from it, task by task with the difference to
        the dense run drawn; to pandas it is a frame like any other.
        """
        from lth_bench.notebook.leaderboard import LeaderboardFrame

        return LeaderboardFrame(super().leaderboard(metric, **where))

    def card(self, suite: str | None = None, density: float | None = None) -> CardView:
        """What came of a suite: who is best, by how much, at what cost, and whether it is settled.

        Args:
            suite: Its name. None: the only one, or of several the first by name.
            density: A target density in (0, 1]. None: the suite's headline density.

        Raises:
            UnknownName: There is no such suite, or nothing at that density.
            UserError: No suite has tickets.
        """
        from lth_bench.notebook.views import card_view

        with reading(self.path, to_stderr) as con:
            return card_view(con, self.path, suite, density)

    def figures(self, suite: str | None = None) -> dict[str, list[str]]:
        """The names of the figures that there are, by task: `figure` takes them.

        Raises:
            UnknownName: There is no such suite.
        """
        return {task: list(known) for task, known in self._pictures(suite)[0].items()}

    def figure(self, name: str, task: str | None = None, suite: str | None = None) -> FigureView:
        """A figure of the report, as SVG: `accuracy`, `cost`, `learning-curves` …

        Args:
            name: As `figures` lists them.
            task: MODEL/DATASET/RECIPE. None: the first task that has the figure.
            suite: Its name. None: all suites are looked through.

        Raises:
            UnknownName: There is no such figure, task or suite.
        """
        from lth_bench.notebook.views import FigureView

        known, looked = self._pictures(suite)
        if task is not None and task not in known:
            raise UnknownName("task", task, known)
        for where, pictures in known.items():
            if name in pictures and task in (None, where):
                return FigureView(pictures[name], looked, where)
        there = known if task is None else {task: known[task]}
        raise UnknownName("figure", name, sorted({one for own in there.values() for one in own}))

    def _pictures(self, suite: str | None) -> tuple[dict[str, dict[str, Any]], Any]:
        """Descriptions of figures by task and name, and how each method looks."""
        from lth_bench.notebook.views import pictures

        with reading(self.path, to_stderr) as con:
            return pictures(con, suite)

    def _repr_html_(self) -> str:
        """The card of every suite."""
        from lth_bench.notebook.views import cards_html

        with reading(self.path) as con:
            return cards_html(con, self.path)


def results(path: Path | str | None = None) -> NotebookResults:
    """The results in a DuckDB file, as pandas data frames, and as a notebook shows them.

    Args:
        path: The file, which `lth-bench run` or `lth_bench.run` has written. None: the variable
            `LTH_BENCH_RESULTS`, or `reports/results.duckdb`.

    Returns:
        One method per view or table, `card` and `figure`. It reads at each call and keeps nothing
            open.

    Raises:
        UserError: There is no such file, or it is not a database of results.
    """
    return NotebookResults(default_results() if path is None else Path(path))
