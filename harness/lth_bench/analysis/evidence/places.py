"""The suites and tasks that a database holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")


class Task(NamedTuple):
    """A model on a dataset under a recipe, as the suite writes them."""

    model: str
    dataset: str
    recipe: str

    @property
    def title(self) -> str:
        """MODEL on DATASET, RECIPE."""
        return f"{self.model} on {self.dataset}, {self.recipe}"


class Place(NamedTuple):
    """A task of a suite: what every figure is about."""

    suite: str
    task: Task

    @property
    def title(self) -> str:
        """SUITE: MODEL on DATASET, RECIPE."""
        return f"{self.suite}: {self.task.title}"


def places(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Place]:
    """Every task of the suites asked for (none: of all), planned or run, in order."""
    found = sorted(_numbered(con).values())
    return [place for place in found if not suites or place.suite in suites]


def by_place(
    con: DuckDBPyConnection, rows: Iterable[Sequence[Any]], make: Callable[..., T]
) -> dict[Place, list[T]]:
    """`make` of every row but its first value, the number of its task; by place, in order.

    Lists, as DuckDB returns them, become tuples.
    """
    numbered = _numbered(con)
    grouped: dict[Place, list[T]] = {}
    for task, *fields in rows:
        one = make(*(tuple(x) if isinstance(x, list) else x for x in fields))
        grouped.setdefault(numbered[task], []).append(one)
    return grouped


def _numbered(con: DuckDBPyConnection) -> dict[int, Place]:
    """The places by the number that the column `task` has for them."""
    rows = con.execute("SELECT task, suite, model, dataset, recipe FROM tasks").fetchall()
    return {number: Place(suite, Task(*task)) for number, suite, *task in rows}
