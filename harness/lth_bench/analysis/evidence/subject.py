"""The tasks, labels and densities that figures show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lth_bench.analysis.measures import Measure, primary_measures
from lth_bench.analysis.samples import display_name
from lth_bench.analysis.suite_order import UNKNOWN, suite_orders

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


T = TypeVar("T")


class Task(NamedTuple):
    """A model, a dataset and a recipe, by their names in the suite."""

    model: str
    dataset: str
    recipe: str

    @property
    def title(self) -> str:
        """MODEL on DATASET, RECIPE."""
        return f"{self.model} on {self.dataset}, {self.recipe}"


class Place(NamedTuple):
    """A task of a suite; each figure is about one."""

    suite: str
    task: Task

    @property
    def parts(self) -> tuple[str, ...]:
        """What names it: suite, model, dataset and recipe."""
        return (self.suite, *self.task)

    @property
    def title(self) -> str:
        """SUITE: MODEL on DATASET, RECIPE."""
        return f"{self.suite}: {self.task.title}"


def places(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Place]:
    """Every task of the suites (default: of all), planned or run, by suite and in its order."""
    orders = suite_orders(con, suites)
    found = sorted(
        _numbered(con).values(),
        key=lambda place: (place.suite, orders.get(place.suite, UNKNOWN).of_task(place.task)),
    )
    return [place for place in found if not suites or place.suite in suites]


def primary_of_places(con: DuckDBPyConnection) -> dict[Place, Measure]:
    """What each task is judged by."""
    measures = primary_measures(con)
    return {place: measures[number] for number, place in _numbered(con).items()}


def by_place(
    con: DuckDBPyConnection,
    rows: Iterable[Sequence[Any]],
    kind: type[T],
    make: Callable[..., T] | None = None,
) -> dict[Place, list[T]]:
    """An instance of the dataclass `kind` for every row, grouped by place, in the rows' order.

    A row is the number of its task, then the values of the dataclass's fields in their order. Lists
    become tuples. `make`, called with the fields by name, is used instead of `kind` if given.
    """
    numbered = _numbered(con)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    grouped: dict[Place, list[T]] = {}
    for task, *values in rows:
        plain = (tuple(x) if isinstance(x, list) else x for x in values)
        one = (make or kind)(**dict(zip(names, plain, strict=True)))
        grouped.setdefault(numbered[task], []).append(one)
    return grouped


def _numbered(con: DuckDBPyConnection) -> dict[int, Place]:
    """The places by their number in the column `task`."""
    rows = con.execute("SELECT task, suite, model, dataset, recipe FROM tasks").fetchall()
    return {number: Place(suite, Task(*task)) for number, suite, *task in rows}


@dataclass(frozen=True)
class Subject:
    """A label or one of its controls."""

    strategy: str
    label: str
    control: str
    """`none` for the ticket itself."""
    source: str
    """For a ticket found on another task, the parts of that task that differ, such as `mnist`;
    otherwise empty."""

    @property
    def name(self) -> str:
        """LABEL or LABEL/CONTROL, with the source task of a transferred ticket."""
        return display_name(self.label, self.control, self.source)

    @property
    def is_dense(self) -> bool:
        """Whether this is the unpruned network, drawn as a horizontal line."""
        return self.strategy == "dense"


WHO = """
WITH who AS (
    SELECT
        c.cell, c.task, c.target_density, c.strategy, c.label, c.control,
        concat_ws(
            '/',
            CASE WHEN c.source_model <> t.model THEN c.source_model END,
            CASE WHEN c.source_dataset <> t.dataset THEN c.source_dataset END,
            CASE WHEN c.source_recipe <> t.recipe THEN c.source_recipe END
        ) AS source,
        (
            c.strategy <> 'dense', c.strategy = 'dense' AND c.label <> 'dense',
            coalesce(list_position(?::VARCHAR[], concat(t.suite, '/', c.label)), 1000000),
            c.label, source, c.control <> 'none', c.control
        ) AS place
    FROM cells c JOIN tasks t ON t.task = c.task
    WHERE ? IS NULL OR list_contains(?::VARCHAR[], t.suite)
)
"""
"""Start of a query, with the table `who`: each cell's task and Subject, and `place`, its position
in legends: dense first, then as the suite has them, each ticket before its controls. Its parameters
are `asked(con, suites)`."""

REFERENCE = """
reference AS (
    SELECT task, arg_min(label, place) AS label FROM who WHERE strategy = 'dense' GROUP BY task
)
"""
"""A table for queries with `who`: of several labels of a task that use `dense`, as one at equal
cost does, the one whose runs are its dense runs."""


def asked(con: DuckDBPyConnection, suites: Sequence[str]) -> list[list[str] | None]:
    """Parameters of a query that starts with WHO; no suites are all suites."""
    labels = [
        f"{suite}/{label}"
        for suite, order in suite_orders(con, suites).items()
        for label in order.labels
    ]
    return [labels, *[list(suites) or None] * 2]


def subjects(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Subject]:
    """Every label and control planned in the suites (default: all), in the order of legends."""
    rows = con.execute(
        f"""
        {WHO}
        SELECT strategy, label, control, source FROM who
        GROUP BY strategy, label, control, source ORDER BY min(place)
        """,
        asked(con, suites),
    ).fetchall()
    return [Subject(*row) for row in rows]


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` ≥ 1 of the items, evenly spaced from the first to the last.

    With `most` = 1 the last: of densities from dense to sparse, the sparsest.
    """
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[j * (len(items) - 1) // (most - 1)] for j in range(most)]


def is_spread(most: int, i: str = "i", m: str = "m") -> str:
    """SQL condition: whether `spread` selects item i (from 0) of m items."""
    if most == 1:
        return f"{i} = {m} - 1"
    # i = j · (m − 1) // (most − 1) for some j if it holds for the smallest j that reaches i
    j = f"(({i} * {most - 1} + {m} - 2) // ({m} - 1))"
    return f"({m} <= {most} OR {j} * ({m} - 1) // {most - 1} = {i})"


def shown(densities: int) -> str:
    """Start of a query as WHO, with the table `shown`: the cells of `who` at the shown densities.

    For each task, those are the dense run and at most `densities` densities that tickets reached.
    """
    return f"""
    {WHO},
    reached AS (
        SELECT DISTINCT task, target_density FROM flat
        WHERE status = 'ok' AND control = 'none' AND strategy <> 'dense'
    ),
    by_density AS (
        SELECT
            *, row_number() OVER (PARTITION BY task ORDER BY target_density DESC) - 1 AS i,
            count(*) OVER (PARTITION BY task) AS m
        FROM reached
    ),
    shown AS (
        SELECT w.* FROM who w
        LEFT JOIN by_density d ON d.task = w.task AND d.target_density = w.target_density
        WHERE w.strategy = 'dense' OR {is_spread(densities)}
    )
    """
